"""A slow link between two network namespaces, for kernels without netem: packets cross in user space, each late by a delay,
some of them lost. Ends at a line or the end of its standard input.

    python3 slow-link.py NAMESPACE_A NAMESPACE_B DELAY_MS LOSS_PERCENT

Interfaces: slow-a (10.78.0.1) and slow-b (10.78.0.2).
"""
import collections, fcntl, os, random, select, struct, subprocess, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
spaces, delay, loss = sys.argv[1:3], float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100
ends = []
for i, space in enumerate(spaces):
    name = "slow-" + "ab"[i]
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    for words in (["link", "set", name, "netns", space], ["-n", space, "addr", "add", "10.78.0.%d/24" % (i + 1), "dev", name],
                  ["-n", space, "link", "set", name, "up"]):
        subprocess.run(["ip", *words], check=True)
    ends.append(end)
print("ready", flush=True)

random.seed(1)
waiting = collections.deque()
counts = [0, 0, 0]  # carried, lost, bytes
while True:
    patience = None if not waiting else max(0.0, waiting[0][0] - time.monotonic())
    ready, _, _ = select.select([*ends, sys.stdin], [], [], patience)
    if sys.stdin in ready:
        break
    for i, end in enumerate(ends):
        while end in ready:
            try:
                packet = os.read(end, 65535)
            except BlockingIOError:
                break
            if random.random() < loss:
                counts[1] += 1
            else:
                counts[0] += 1
                counts[2] += len(packet)
                waiting.append((time.monotonic() + delay, ends[1 - i], packet))
    while waiting and waiting[0][0] <= time.monotonic():
        _, end, packet = waiting.popleft()
        try:
            os.write(end, packet)
        except OSError:
            counts[1] += 1  # the other side is gone, or its queue is full
print("%d packets carried, %d lost, %d bytes" % tuple(counts), flush=True)
