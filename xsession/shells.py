"""The completion scripts for bash, zsh and fish, made from what completion.py knows.

`python3 -m xsession.shells SHELL` prints one. What each is made of is told in bash(1),
"Programmable Completion"; zshcompsys(1), "_arguments"; and complete(1) of fish.
"""

import argparse
import re
import sys
from collections.abc import Iterable

from xsession.completion import Kind, Option, Place, Verb, options, verbs

MADE = "made by xsession/shells.py from the program's own parser"


def _names(known: Iterable[Option]) -> list[str]:
    return [name for option in known for name in option.names]


def _commands(known: Iterable[Verb], join: str, form: str = "{}") -> str:
    """The verbs whose argument is a program with its own arguments."""
    return join.join(form.format(verb.name) for verb in known if verb.command)


def _valued(known: Iterable[Verb], join: str, form: str) -> str:
    """The options that have a value, each with its verb."""
    return join.join(
        form.format(verb.name, name)
        for verb in known
        for option in verb.options
        if option.value
        for name in option.names
    )


def _filled(template: str, **parts: str | list[str]) -> str:
    """A template with its parts in place of %name%; a list is lines, indented as its place is."""
    for name, part in parts.items():
        lines = [part] if isinstance(part, str) else part
        indent = re.search(rf"^ *(?=%{name}%$)", template, re.MULTILINE)
        template = template.replace(f"%{name}%", f"\n{indent[0] if indent else ''}".join(lines))
    return template


# -- bash --

BASH = r"""# bash completion for xsession(1), %made%.

_xsession() {
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${1/#\~/$HOME} verb= option= place=0 at=0 words= colon= i word
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD && !at; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == [:=] ]] && continue # of :0 and --vt=1, to bash they are words of their own
        if [[ $option ]]; then
            option=
            continue
        fi
        case $verb:$word in
            :-*) ;;
            :*) verb=$word ;;
            %valued%) option=$word ;;
            run:--) at=$((i + 1)) ;;
            *:--) return ;; # the server's
            *:-*) ;;
            %commands%) at=$i ;;
            *) ((place++)) ;;
        esac
    done
    if ((at && at < COMP_CWORD)); then
        [[ $verb != run && " ${COMP_WORDS[*]:at:COMP_CWORD-at} " == *' -- '* ]] && return
        if declare -F _command_offset >/dev/null; then
            _command_offset "$at"
        else
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        fi
        return
    fi
    [[ $cur == : || $before == : ]] && colon=:
    [[ $cur == [:=] ]] && cur=
    case $verb:$option:$place in
        %places%
    esac
    if [[ $cur == -* && ! $option ]]; then
        case $verb in
            %options%
        esac
    fi
    while IFS= read -r word; do
        word=${word#"$colon"}
        # Not compgen -W, which expands what it is given: a name would be run.
        [[ $word && $word == "$cur"* ]] && printf -v word %q "$word" && COMPREPLY+=("$word")
    done <<<"$words"
    # All programs would bury the sessions: only those that begin with what was typed.
    if [[ $cur == [!-]* && ! $option && $verb == @(%programs%) ]]; then
        [[ $cur == */* ]] && compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -c -- "$cur")
    fi
}

complete -F _xsession xsession
"""


def bash(parser: argparse.ArgumentParser) -> str:
    known = verbs(parser)
    places = [f"::*) words={_bash_words(verb.name for verb in known)} ;;"]
    listed = [f"'') words={_bash_words(_names(options(parser)))} ;;"]
    for verb in known:
        listed.append(f"{verb.name}) words={_bash_words(_names(verb.options))} ;;")
        for option in verb.options:
            for name in option.names:
                places += _bash_place(f"{verb.name}:{name}:*", option.value)
        for number, place in enumerate(verb.places, 1):
            repeats = verb.repeats and number == len(verb.places)
            places += _bash_place(f"{verb.name}::{'*' if repeats else number - 1}", place)
    return _filled(
        BASH,
        made=MADE,
        valued=_valued(known, " | ", "{}:{}"),
        commands=_commands(known, " | ", "{}:*"),
        programs=_commands(known, "|"),
        places=places,
        options=listed,
    )


def _bash_words(words: Iterable[str]) -> str:
    return "$'" + "\\n".join(words) + "'"


def _bash_place(where: str, place: Place | None) -> list[str]:
    match place:
        case Place(words) if words:
            return [f"{where}) words={_bash_words(words)} ;;"]
        case Place(_, Kind.VARIABLES):
            return [f"{where}) words=$(compgen -A export) ;;"]
        case Place(_, kind) if kind is not Kind.NONE:
            return [f'{where}) words=$("$program" words {kind.value} 2>/dev/null) ;;']
    return []


# -- zsh --

ZSH = r"""#compdef xsession
# zsh completion for xsession(1), %made%.

_xsession_words() {
    local -a found=(${(f)"$(${~program} words $1 2>/dev/null)"})
    local expl
    _wanted $1 expl ${1%s} compadd -a found
}

_xsession_command() {
    if (( CURRENT > 1 )); then
        _normal
    elif [[ -z $PREFIX ]]; then # all programs would bury the sessions
        _xsession_words $1
    else
        _alternative "$1:${1%s}: _xsession_words $1" 'commands:program:_path_commands' \
            'files:file:_files -g "*(-/,-*)"'
    fi
}

_xsession() {
    local curcontext=$curcontext program=$words[1] state line ret=1
    typeset -A opt_args
    _arguments -C \
        %options%
        '1: :->verb' \
        '*:: :->rest' && ret=0
    case $state in
        verb)
            local -a verbs=(
                %verbs%
            )
            _describe -t verbs verb verbs && ret=0
            ;;
        rest)
            curcontext=${curcontext%:*:*}:xsession-$words[1]:
            if [[ $words[1] != run ]] && (( words[(i)--] < CURRENT )); then
                _message 'argument of the server'
                return
            fi
            case $words[1] in
                %places%
            esac
            ;;
    esac
    return ret
}

_xsession "$@"
"""


def zsh(parser: argparse.ArgumentParser) -> str:
    known = verbs(parser)
    places = []
    for verb in known:
        specs = [_zsh_option(option) for option in verb.options]
        for number, place in enumerate(verb.places, 1):
            where = "*" if verb.repeats and number == len(verb.places) else str(number)
            if verb.command:
                specs.append(_quoted(f"*:: : _xsession_command {place.kind.value}"))
            else:
                specs.append(_quoted(f"{where}:{_zsh_place(place)}"))
        only_before = ["-A '-*'"] if verb.command else []
        lines = [f"_arguments {' '.join(only_before)}".rstrip(), *specs]
        places += [f"{verb.name})", *(f"    {line} \\" for line in lines)]
        places[-1] = places[-1].removesuffix(" \\") + " && ret=0"
        places.append("    ;;")
    return _filled(
        ZSH,
        made=MADE,
        options=[f"{_zsh_option(option)} \\" for option in options(parser)],
        verbs=[_quoted(f"{verb.name}:{verb.help}") for verb in known],
        places=places,
    )


def _zsh_option(option: Option) -> str:
    told = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
    value = f":{_zsh_place(option.value)}" if option.value else ""
    # With "=": the value can stand in the same word, or in the next.
    each = [it + "=" if option.value and it.startswith("--") else it for it in option.names]
    names = "{" + ",".join(each) + "}" if len(each) > 1 else each[0]
    excluded = f"'({' '.join(option.names)})'" if len(option.names) > 1 else ""
    return f"{excluded}{names}{_quoted(f'[{told}]{value}')}"


def _zsh_place(place: Place) -> str:
    match place:
        case Place(words) if words:
            return f"word:({' '.join(words)})"
        case Place(_, Kind.VARIABLES):
            return "variable:_parameters -g '*export*'"
        case Place(_, Kind.NONE):
            return "value: "
    return f"{place.kind.value.removesuffix('s')}: _xsession_words {place.kind.value}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


# -- fish --

FISH = r"""# fish completion for xsession(1), %made%.

# What stands before the cursor: the verb, and how many words after it, or else `command` and at
# which word that begins, or `server`.
function __xsession_typed
    set -l words (commandline -opc)
    set -l verb
    set -l option
    set -l place 0
    for at in (seq 2 (count $words))
        if test -n "$option"
            set option
            continue
        end
        switch "$verb $words[$at]"
            case ' -*'
            case ' *'
                set verb $words[$at]
            case %valued%
                set option $words[$at]
            case 'run --'
                test $at = (count $words) || set place command (math $at + 1)
                break
            case '* --'
                set place server
                break
            case '* -*'
            case %commands%
                set place command $at
                break
            case '*'
                set place (math $place + 1)
        end
    end
    if test "$place[1]" = command && test "$verb" != run && contains -- -- $words
        set place server
    end
    printf '%s\n' "$verb" $place
end

# Whether the verb is $argv[1], and the place $argv[2], if that is told.
function __xsession_at
    set -l typed (__xsession_typed)
    test "$typed[1]" = "$argv[1]" || return
    test "$typed[2]" != server || return
    test -n "$argv[2]" && string match -q -r -- "^($argv[2])\$" $typed[2] && return
    test -z "$argv[2]" && test "$typed[2]" != command
end

function __xsession_words
    set -l program (commandline -opc)[1]
    set program (string replace -r '^~(?=/)' $HOME -- $program)
    command -q $program && $program words $argv 2>/dev/null
    # All programs would bury the sessions: only those that begin with what was typed.
    set -l typed (commandline -ct)
    if contains -- $argv[1] %kinds% && string match -q -r -- '^[^-]' "$typed"
        complete --do-complete="$typed"
    end
end

function __xsession_command
    set -l words (commandline -opc)
    set -l at (__xsession_typed)[3]
    set -l line (string join ' ' -- (string escape -- $words[$at..])) (commandline -ct)
    complete --do-complete="$line"
end

complete -c xsession -f
%lines%
"""


def fish(parser: argparse.ArgumentParser) -> str:
    known = verbs(parser)
    lines = [_fish_option(option, "__xsession_at ''") for option in options(parser)]
    for verb in known:
        what = f"-a {verb.name} -d {_fish_quoted(verb.help)}"
        lines.append(_fish_line("__xsession_at ''", what))
    for verb in known:
        lines += [_fish_option(it, f"__xsession_at {verb.name}") for it in verb.options]
        for number, place in enumerate(verb.places, 1):
            repeats = verb.repeats and number == len(verb.places)
            where = f"'[{number - 1}-9]+'" if repeats else str(number - 1)
            if words := _fish_place(place):
                lines.append(_fish_line(f"__xsession_at {verb.name} {where}", f"-a {words}"))
        if verb.command:
            lines.append(
                _fish_line(f"__xsession_at {verb.name} command", "-a '(__xsession_command)'")
            )
    return _filled(
        FISH,
        made=MADE,
        valued=_valued(known, " ", "'{} {}'"),
        commands=_commands(known, " ", "'{} *'"),
        kinds=" ".join(place.kind.value for verb in known if verb.command for place in verb.places),
        lines=lines,
    )


def _fish_line(condition: str, what: str) -> str:
    return f"complete -c xsession -n {_fish_quoted(condition)} {what}"


def _fish_option(option: Option, condition: str) -> str:
    words = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    if option.value:
        words += ["-x", *(f"-a {it}" for it in [_fish_place(option.value)] if it)]
    return _fish_line(condition, " ".join([*words, f"-d {_fish_quoted(option.help)}"]))


def _fish_place(place: Place) -> str:
    match place:
        case Place(words) if words:
            return _fish_quoted(" ".join(words))
        case Place(_, Kind.VARIABLES):
            return "'(set -nx)'"
        case Place(_, Kind.NONE):
            return ""
    return f"'(__xsession_words {place.kind.value})'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


if __name__ == "__main__":
    from xsession.parser import parser

    print(SHELLS[sys.argv[1]](parser()), end="")
