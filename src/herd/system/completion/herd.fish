# Completion of herd for fish: herd itself knows the words.
function __herd_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] _complete $words[2..] "$current" 2>/dev/null)
    if test $status -eq 3
        __fish_complete_path "$current"
    else
        string join -- \n $found
    end
end
complete -c herd -f -a '(__herd_complete)'
