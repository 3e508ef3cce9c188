#!/bin/sh
# Tries a bundle as its target would see it: no network (unshare -n), no Node and no FFmpeg on PATH, an empty home, a Python
# with PyTorch active. Prints one line of a table for each command. Linux, as root.
#
#   scripts/bundle/check.sh BUNDLE.tar.xz VENV [COMMAND...]
#
# Commands after `twgrpo doctor`, which builds the addon: default is all of  small  demo  bench
set -u
bundle=$(realpath "$1")
venv=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- small demo bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
failed=0

# Nothing of the outside reaches it but the Python: an empty environment, and what is called node, npm or ffmpeg is hidden.
cat >"$work/inside" <<INSIDE
#!/bin/sh
for name in node nodejs npm npx ffmpeg; do
  for folder in /usr/bin /bin /usr/local/bin; do
    [ -e \$folder/\$name ] && mount --bind /dev/null "\$(realpath \$folder/\$name)"
  done
done
cd "$work/home" && exec env -i PATH="$venv/bin:/usr/bin:/bin" HOME="$work/home" sh -c "\$1"
INSIDE
chmod +x "$work/inside"

inside() { # TITLE COMMAND [PATTERN that the last shown line must have]
  start=$(date +%s)
  if unshare -n -m "$work/inside" "$2" >"$work/log" 2>&1; then result=ok; else result="failed ($?)" failed=1; fi
  shown=$(grep -E "${3:-.}" "$work/log" | tail -n 1 | tr '|' '/' | cut -c1-110)
  printf '| `%s` | %s | %s s | %s |\n' "$1" "$result" "$(($(date +%s) - start))" "$shown"
  case $result in failed*) tail -n 30 "$work/log" >&2 ;; esac
}

printf '%s, %s bytes; %s\n\n' "$(basename "$bundle")" "$(stat -c %s "$bundle")" \
  "$("$venv/bin/python" -c 'import platform; from importlib.metadata import version; print("Python", platform.python_version(), "PyTorch", version("torch"))')"
printf '| command | result | time | last line |\n|---|---|---|---|\n'
inside 'command -v node ffmpeg' '! command -v node && ! command -v ffmpeg && echo neither'
inside 'tar -xJf BUNDLE' "tar -xJf '$bundle' && mv twgrpo-* twgrpo && du -sm twgrpo"
inside 'twgrpo generate (before set-up)' '! twgrpo/twgrpo generate --model twgrpo/assets/cold-start --prompt hi' 'run:'
inside 'twgrpo doctor' 'twgrpo/twgrpo doctor' '^engine '
inside 'twgrpo doctor (again)' 'twgrpo/twgrpo doctor' '^ffmpeg '
for command in "$@"; do
  case $command in
    small)
      inside 'twgrpo world generate' 'twgrpo/twgrpo world generate --output-dir world --num-videos 2 --seed 1'
      inside 'twgrpo generate' 'twgrpo/twgrpo generate --greedy --max-new-tokens 48 --model twgrpo/assets/cold-start --video "$(find world -name "*.mp4" | sort | head -n 1)" --prompt "Which objects move?"' 'tokens in'
      ;;
    demo) inside 'twgrpo demo --quick' 'twgrpo/twgrpo demo --quick' 'strict|accuracy' ;;
    bench) inside 'bin/node bench/run.mjs engine' 'cd twgrpo && bin/node bench/run.mjs engine' ;;
    *) echo "unknown command $command" >&2; exit 2 ;;
  esac
done
exit $failed
