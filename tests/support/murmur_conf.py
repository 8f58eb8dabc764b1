#!/usr/bin/python3
"""What a running Mumble server has read, told by Ice, as JSON: words are PORT SECRET. For Debian's own Python."""

import json
import sys

import Ice

Ice.loadSlice("", ["-I" + (Ice.getSliceDir() or ""), "-I/usr/share/ice/slice", "/usr/share/slice/Murmur.ice"])
import Murmur  # noqa: E402

port, secret = sys.argv[1:]
settings = Ice.createProperties()
settings.setProperty("Ice.ImplicitContext", "Shared")
settings.setProperty("Ice.Default.EncodingVersion", "1.0")
data = Ice.InitializationData()
data.properties = settings
communicator = Ice.initialize(data)
communicator.getImplicitContext().put("secret", secret)
meta = Murmur.MetaPrx.checkedCast(communicator.stringToProxy("Meta:tcp -h 127.0.0.1 -p " + port))
print(json.dumps(dict(meta.getDefaultConf())))
communicator.destroy()
