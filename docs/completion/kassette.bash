# SPDX-License-Identifier: Apache-2.0
# bash completion for kassette. Commands and options are asked of the program itself.

_kassette_commands() {
    kassette help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_kassette_options() {
    kassette "$1" --help 2>/dev/null |
        grep -oE '(^|[ ,])(-[A-Za-z]|--[a-z-]+)' | tr -d ' ,' | sort -u
}

# Names from the cluster, within two seconds or not at all.
_kassette_runs() { timeout 2 kassette get -o name 2>/dev/null | sed 's,.*/,,'; }
_kassette_points() { timeout 2 kassette get points -o name 2>/dev/null | sed 's,.*/,,'; }
_kassette_objects() { timeout 2 kubectl get "$1" -o name 2>/dev/null | sed 's,.*/,,'; }

_kassette() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command="" i words=""
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $before in
    -o | --output) words="json yaml wide name" ;;
    -n | --namespace | --home | --allow-namespace | --to-namespace) words=$(_kassette_objects namespaces) ;;
    --snapshot-class) words=$(_kassette_objects volumesnapshotclasses) ;;
    --log-format) words="plain json" ;;
    --on-conflict) words="fail skip replace merge" ;;
    --preserve) words="nodePorts clusterIPs status" ;;
    --context) words=$(kubectl config get-contexts -o name 2>/dev/null) ;;
    --kubeconfig | --blueprints | --credentials | --junit | --load | --images | --transform)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    esac
    if [ -z "$words" ]; then
        case $command:$word in
        *:-*) words=$(_kassette_options "$command") ;;
        :*) words=$(_kassette_commands) ;;
        backup:*) words=$(_kassette_objects namespaces) ;;
        get:* | describe:*)
            case ${COMP_WORDS[2]} in
            point | points) words=$(_kassette_points) ;;
            run | runs) words=$(_kassette_runs) ;;
            *) words="run point $(_kassette_runs)" ;;
            esac
            ;;
        delete:*)
            case ${COMP_WORDS[2]} in
            point | points) words=$(_kassette_points) ;;
            *) words=point ;;
            esac
            ;;
        show:*) words=$(_kassette_points) ;;
        save:*)
            words=$(_kassette_points)
            if [ "$before" != save ]; then
                mapfile -t COMPREPLY < <(compgen -d -- "$word")
                return
            fi
            ;;
        load:*)
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return
            ;;
        restore:*) words=$(_kassette_points) ;;
        run:* | report:* | cancel:* | logs:*) words=$(_kassette_runs) ;;
        blueprint:*)
            case ${COMP_WORDS[2]} in
            show) words=$(kassette blueprint list -o name 2>/dev/null | sed 's,.*/,,') ;;
            lint | test | run)
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return
                ;;
            *) words="list show new lint test run" ;;
            esac
            ;;
        help:*) words=$(_kassette_commands) ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _kassette kassette
