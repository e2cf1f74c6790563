#!/usr/bin/env python3
"""Verifies an audit bundle without Sekimori: python3 verify.py FOLDER KEY [KEY_OF_WITNESS ...]

Uses nothing but Python's standard library. Formats: C2SP signed-note, tlog-checkpoint, tlog-tiles,
tlog-cosignature; segments as in crates/audit/src/format.rs; Ed25519 as in RFC 8032, SHA-256 tree as in RFC 6962.
KEY is a file with `name+id+base64`. Get it from somebody else than the bundle."""
import base64, glob, hashlib, json, os, sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

def add(a, b):
    s, t, u, v = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P

def mul(n, a):
    r = (0, 1, 1, 0)
    while n:
        r, a, n = (add(r, a) if n & 1 else r), add(a, a), n >> 1
    return r

def point(b):
    n = int.from_bytes(b, "little"); y = n & (2**255 - 1)
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == xx and y < P, "not a point of the curve"
    x = P - x if x & 1 != n >> 255 else x
    return x, y, 1, x * y % P

def ed25519(key, message, sig):
    s, h = int.from_bytes(sig[32:], "little"), int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little")
    a, b = mul(s, point(bytes([88]) + b"\x66" * 31)), add(point(sig[:32]), mul(h % L, point(key)))
    assert len(sig) == 64 and s < L and all((a[i] * b[2] - b[i] * a[2]) % P == 0 for i in (0, 1)), "false signature"

def signed(note, vkey):
    text, lines = note.rsplit("\n\n", 1); text += "\n"
    name, id_, key = vkey.strip().split("+", 2); key = base64.b64decode(key)
    assert hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8] == id_, "the key does not fit its id"
    sig = next(base64.b64decode(x.split(" ")[2]) for x in lines.splitlines() if x.startswith(f"— {name} ") and base64.b64decode(x.split(" ")[2])[:4].hex() == id_)[4:]
    time = int.from_bytes(sig[:8], "big") if key[0] == 4 else 0
    message = f"cosignature/v1\ntime {time}\n{text}" if key[0] == 4 else text
    ed25519(key[1:], message.encode(), sig[8:] if key[0] == 4 else sig)
    return text.split("\n")[:3]

def root(leaves):
    if len(leaves) < 2: return leaves[0] if leaves else hashlib.sha256().digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()

folder, *keys = sys.argv[1:]
note = open(f"{folder}/checkpoint", encoding="utf-8").read()
keys = [open(key, encoding="utf-8").read().strip() for key in keys]
assert keys, "give the file of the log's key"
closed = []
for file in sorted(glob.glob(f"{folder}/audit-closed/*")):
    text = open(file, encoding="utf-8").read()
    if f"\nkey {keys[0]}\n" in text:
        closed.append(signed(text, keys[0])); keys[0] = text.split("\nsuccessor ")[1].split("\n")[0]
heads = [signed(note, key) for key in keys]
size, expected = int(heads[0][1]), base64.b64decode(heads[0][2])
leaves = []
for n in range((size + 255) // 256):
    width, name = min(256, size - n * 256), "/".join([f"x{n // 10**6:03}"] * (n >= 10**6) + [f"x{n // 1000 % 1000:03}"] * (n >= 1000) + [f"{n % 1000:03}"])
    part = [f"{folder}/tile/0/{name}"] + sorted(glob.glob(f"{folder}/tile/0/{name}.p/*"), key=lambda f: -int(os.path.basename(f)))
    tile = open(next(f for f in part if os.path.exists(f)), "rb").read()
    leaves += [tile[i * 32:i * 32 + 32] for i in range(width)]
assert root(leaves) == expected, "the tree is not the one that was signed"
assert all(root(leaves[:int(head[1])]) == base64.b64decode(head[2]) for head in closed), "a closed log is another one"
whole = not os.path.exists(f"{folder}/records.ndjson")
count, gone, told = 0, {}, {}
for file in sorted(glob.glob(f"{folder}/segments/*.segment")):
    data, at = open(file, "rb").read(), 4096
    number, seq = int.from_bytes(data[12:20], "little"), int.from_bytes(data[20:28], "little")
    while at < len(data):
        word = int.from_bytes(data[at:at + 4], "little"); length = word & 0x7fffffff
        leaf, body = data[at + 8:at + 40], data[at + 40:at + 40 + length]; at += 40 + length
        if word == 0x80000008: continue
        if word == 0x80000000:
            gone.setdefault(number, []).append(seq)
        else:
            leaf, count = hashlib.sha256(b"\0" + body).digest(), count + 1
            if b'"event":"retention.purge"' in body:
                note = json.loads(body)["detail"]
                told[note.get("segment"), note.get("digest")] = seq
        assert leaf == leaves[seq], f"record {seq} was changed"
        seq += 1
for number, seqs in gone.items():
    digest = "sha256:" + hashlib.sha256(b"".join(n.to_bytes(8, "little") for n in seqs)).hexdigest()
    under = told.get((number, digest))
    assert under is not None or not whole, f"{len(seqs)} records from {seqs[0]} on are gone, and nothing tells that they were purged"
    print(f"segment {number}: {len(seqs)} records were purged " + (f"under record {under}" if under is not None else "(the record of that is not in this bundle)"))
print(f"verified: {count} records, all in the signed tree of {size} records of {heads[0][0]}; {len(keys) - 1} witnesses")
