# Completion of herd for bash: herd itself knows the words. The line is taken as it was typed, for bash parts words at
# @ and : as well; what stands before the last of those is not to be repeated.
_herd() {
    local line=${COMP_LINE:0:COMP_POINT} words current found word
    read -ra words <<<"$line"
    [[ $line != *[[:space:]] ]] || words+=("")
    current=${words[-1]}
    COMPREPLY=()
    found=$("$1" _complete "${words[@]:1}" 2>/dev/null)
    if (($? == 3)); then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
    fi
    while IFS=$'\t' read -r word _; do
        [[ -z $word || $word != "$current"* ]] || COMPREPLY+=("${word#"${current%"${current##*[:@=]}"}"}")
    done <<<"$found"
}
complete -F _herd herd
