#!/bin/sh
# Two hosts as network namespaces joined by a pair of virtual interfaces: a run over both on a good link, on a slow one (50 ms each way,
# 1 % of packets lost; slow-link.py where the kernel has no netem), and one whose link is cut. Needs root, ip, python3 and /dev/net/tun.
#
#   npm run trial:hosts -- CONFIG.yaml FOLDER
set -u
config=$1
out=$2
main=$(CDPATH='' cd -- "$(dirname -- "$0")/../../.." && pwd -P)/build/js/cli/main.js
a=twgrpo-a-$$
b=twgrpo-b-$$
end() { ip netns pids $a 2>/dev/null | xargs -r kill -9; ip netns pids $b 2>/dev/null | xargs -r kill -9; ip netns del $a; ip netns del $b; }
trap end EXIT
ip netns add $a && ip netns add $b || exit 1
ip link add va$$ netns $a type veth peer name vb$$ netns $b || exit 1
ip -n $a addr add 10.77.0.1/24 dev va$$ && ip -n $b addr add 10.77.0.2/24 dev vb$$ || exit 1
for side in "$a va$$" "$b vb$$"; do
  set -- $side
  ip -n "$1" link set lo up && ip -n "$1" link set "$2" up || exit 1
done

# rank NAMESPACE INTERFACE RANK RUN EXTRA...
rank() {
  space=$1 interface=$2 number=$3 run=$4
  shift 4
  ip netns exec "$space" env GLOO_SOCKET_IFNAME="$interface" RANK="$number" WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 \
    MASTER_ADDR=$head MASTER_PORT=29600 OMP_NUM_THREADS=1 \
    node "$main" train --config "$config" --quiet --set output_dir="$out/$run" --set max_steps=8 "$@"
  echo "$run: rank $number ends with $?"
}
seconds() { date +%s; }
# both RUN INTERFACE_A INTERFACE_B: a run over both hosts, and the bytes that the first sent over its interface
sent() { ip netns exec $a cat "/sys/class/net/$1/statistics/tx_bytes"; }
both() {
  began=$(seconds) before=$(sent "$2")
  rank $a "$2" 0 "$1" >"$out/$1-0.txt" 2>&1 &
  first=$!
  rank $b "$3" 1 "$1" >"$out/$1-1.txt" 2>&1
  wait $first
  echo "$1 link: $(($(seconds) - began)) s, $(wc -l <"$out/$1/metrics.jsonl") rows, $(($(sent "$2") - before)) bytes sent by the first"
  tail -qn 1 "$out/$1-0.txt" "$out/$1-1.txt"
}

head=10.77.0.1
both good va$$ vb$$
if ip netns exec $a tc qdisc add dev va$$ root netem delay 50ms loss 1% 2>/dev/null; then
  ip netns exec $b tc qdisc add dev vb$$ root netem delay 50ms loss 1% || exit 1
  both slow va$$ vb$$
  for name in $a:va$$ $b:vb$$; do ip netns exec "${name%%:*}" tc qdisc del dev "${name##*:}" root; done
else
  mkfifo "$out/end-of-link" && exec 9<>"$out/end-of-link"
  python3 "$(dirname -- "$0")/slow-link.py" $a $b 50 1 <"$out/end-of-link" >"$out/slow-link.txt" 2>&1 &
  link=$!
  until grep -qs ready "$out/slow-link.txt"; do kill -0 $link || exit 1; sleep 0.1; done
  head=10.78.0.1
  both slow slow-a slow-b
  echo end >&9 && wait $link
  tail -n 1 "$out/slow-link.txt"
  head=10.77.0.1
fi
cmp "$out/good/metrics.jsonl" "$out/slow/metrics.jsonl" >/dev/null || node -e '
  const rows = (run) => require("fs").readFileSync(`${process.argv[1]}/${run}/metrics.jsonl`, "utf8").trim().split("\n").map((row) => JSON.parse(row).loss);
  console.log(`losses on the slow link ${String(rows("slow")) === String(rows("good")) ? "equal" : "differ from"} those on the good one`);' "$out"

rank $a va$$ 0 cut --set max_steps=4000 --set dist_timeout=8 >"$out/cut-0.txt" 2>&1 &
first=$!
rank $b vb$$ 1 cut --set max_steps=4000 --set dist_timeout=8 >"$out/cut-1.txt" 2>&1 &
second=$!
while [ ! -f "$out/cut/metrics.jsonl" ] || [ "$(wc -l <"$out/cut/metrics.jsonl")" -lt 3 ]; do sleep 0.2; done
ip -n $a link set va$$ down
began=$(seconds)
wait $first $second
echo "cut link: both have ended after $(($(seconds) - began)) s (dist_timeout 8)"
grep -h 'DistError\|ends with' "$out/cut-0.txt" "$out/cut-1.txt"
