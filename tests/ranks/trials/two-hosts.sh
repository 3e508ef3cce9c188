#!/bin/sh
# Two hosts as network namespaces joined by a pair of virtual interfaces: a run over both on a good link, on a slow one (50 ms each way,
# 1 % of packets lost), and one whose link is cut. Needs root, ip and tc.
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
    MASTER_ADDR=10.77.0.1 MASTER_PORT=29600 OMP_NUM_THREADS=1 \
    node "$main" train --config "$config" --quiet --set output_dir="$out/$run" --set max_steps=8 "$@"
  echo "$run: rank $number ends with $?"
}
seconds() { date +%s; }

for link in good slow; do
  if [ $link = slow ]; then
    if ! ip netns exec $a tc qdisc add dev va$$ root netem delay 50ms loss 1%; then
      echo 'slow link: not tried, this kernel has no netem'
      continue
    fi
    ip netns exec $b tc qdisc add dev vb$$ root netem delay 50ms loss 1% || exit 1
  fi
  began=$(seconds)
  rank $a va$$ 0 $link >"$out/$link-0.txt" 2>&1 &
  rank $b vb$$ 1 $link >"$out/$link-1.txt" 2>&1
  wait $!
  echo "$link link: $(($(seconds) - began)) s, $(wc -l <"$out/$link/metrics.jsonl") rows"
  tail -n 1 "$out/$link-0.txt" "$out/$link-1.txt"
done
for name in $a:va$$ $b:vb$$; do ip netns exec "${name%%:*}" tc qdisc del dev "${name##*:}" root 2>/dev/null; done

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
