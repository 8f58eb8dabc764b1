#compdef herd
# Completion of herd for zsh: herd itself knows the words.
local found line
local -a offered
found=$(${(Q)words[1]} _complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
if (( $? == 3 )); then
    _files
    return
fi
for line in ${(f)found}; do
    offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
done
_describe herd offered
