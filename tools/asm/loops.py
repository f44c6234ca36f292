"""The innermost loops of the functions that kernels consist of, and what they are made of."""

import re

from . import image

AES = re.compile(r"v?aes(enc|enclast|dec|declast)$|aes[ed]$")
LOGIC = re.compile(r"v?p?(xor|and|andn|or)[dq]?$|(eor|and|bic|orr|orn)$|vpternlog[dq]$")
BITSLICED = 100  # logic instructions that make a loop one of bitsliced rounds: SubBytes alone takes more
ENDS = {"ret", "ud2", "hlt", "udf"}
NEVER_RETURN = {"__stack_chk_fail", "abort"}
PADDING = re.compile(r"((data16|cs|ds|es|ss) )*nop[wl]?$")


class Loop:
    def __init__(self, function, number, body, objects):
        self.function, self.number, self.body = function, number, body
        work = [i for i in body if not PADDING.match(i.mnemonic)]
        self.total = len(work)
        self.aes = sum(bool(AES.match(i.mnemonic)) for i in work)
        self.logic = sum(bool(LOGIC.match(i.mnemonic)) for i in work)
        self.loads = sum(objects.loads(i) for i in work)
        self.stores = sum(objects.stores(i) for i in work)
        self.stack = [i for i in work if objects.on_stack(i)]

    @property
    def bytes_of_data(self):
        """What AESENCLAST or the last AESE of each block gives; 0 where that does not say it."""
        if any(i.mnemonic == "aese" for i in self.body):
            return 16 * sum({"aese": 1, "aesmc": -1}.get(i.mnemonic, 0) for i in self.body)
        last = [i for i in self.body if i.mnemonic in ("aesenclast", "vaesenclast")]
        return sum({"x": 16, "y": 32, "z": 64}[i.text[0]] for i in last)


class X86Operands:
    MEMORY = re.compile(r"\[[^\]]*\]")
    NO_ACCESS = re.compile(r"lea|nop|prefetch")
    READS_DESTINATION = re.compile(r"(cmp|test|bt|push|call|jmp)$")

    def operands(self, i):
        return [] if self.NO_ACCESS.match(i.mnemonic) else re.split(r",(?![^\[{]*[\]}])", i.text)

    def loads(self, i):
        found = self.operands(i)
        memory = [bool(self.MEMORY.search(part)) for part in found]
        if i.mnemonic == "pop":
            return 1
        if not any(memory):
            return 0
        only_written = memory[0] and i.mnemonic.startswith(("mov", "vmov", "set", "vextract", "vpextr", "pextr"))
        return int(not only_written)

    def stores(self, i):
        found = self.operands(i)
        if i.mnemonic in ("push", "call"):
            return 1
        if not found or not self.MEMORY.search(found[0]):
            return 0
        return int(not self.READS_DESTINATION.match(i.mnemonic) and len(found) > 1 or i.mnemonic in ("inc", "dec", "neg", "not"))

    def on_stack(self, i):
        memory = self.MEMORY.search(",".join(self.operands(i)))
        return i.mnemonic in ("push", "pop", "call") or bool(memory and re.search(r"\br[sb]p\b", memory[0]) and self.frame_base(memory[0]))

    def frame_base(self, memory):
        return "rsp" in memory or self.rbp_is_frame

    rbp_is_frame = False


class Aarch64Operands:
    rbp_is_frame = False

    def loads(self, i):
        return int(i.mnemonic.startswith(("ld", "prfm")) and not i.mnemonic.startswith("prfm"))

    def stores(self, i):
        return int(i.mnemonic.startswith("st"))

    def on_stack(self, i):
        return i.mnemonic in ("bl", "blr") or bool(re.search(r"\[(sp|x29)\b", i.text))


def callee(library, i):
    """The function of this file that i calls, also by a jump at its caller's end."""
    calls = i.mnemonic in ("call", "bl") or (i.mnemonic in ("jmp", "b") and i.target in library.functions)
    return i.target if calls and i.target is not None and i.target not in library.stubs else None


def successors(library, i):
    """Where a function goes on behind i, calls apart."""
    name = re.sub(r"^(notrack|bnd) ", "", i.mnemonic)
    if name in ENDS or library.stubs.get(i.target) in NEVER_RETURN:
        return []
    if name in ("jmp", "b", "br"):
        return [] if i.target is None or i.target in library.stubs or callee(library, i) else [i.target]
    if name not in ("call", "bl", "blr") and i.target is not None and \
            (name.startswith(("j", "b.", "cb", "tb"))):
        return [i.target, i.next]
    return [i.next] if i.next is not None else []


def reachable(library, entry):
    """Instructions of a function by address, and the functions that it calls."""
    seen, calls, ahead = {}, [], [entry]
    while ahead:
        at = ahead.pop()
        i = library.instructions.get(at)
        if i is None or at in seen:
            continue
        seen[at] = successors(library, i)
        ahead += seen[at]
        if callee(library, i) and i.target not in calls:
            calls.append(i.target)
    return seen, calls


def dominators(graph, entry):
    """Instruction -> its immediate dominator (Cooper, Harvey and Kennedy), and the order of the search."""
    order, seen, stack = [], {entry}, [(entry, iter(graph[entry]))]
    while stack:
        node, following = stack[-1]
        for child in following:
            if child in graph and child not in seen:
                seen.add(child)
                stack.append((child, iter(graph[child])))
                break
        else:
            order.append(node)
            stack.pop()
    order.reverse()
    number = {node: n for n, node in enumerate(order)}
    before = {node: [] for node in order}
    for node in order:
        for child in graph[node]:
            if child in before:
                before[child].append(node)
    above, changed = {entry: entry}, True
    while changed:
        changed = False
        for node in order[1:]:
            best = None
            for other in before[node]:
                if other not in above:
                    continue
                a, b = other, best
                while b is not None and a != b:
                    while number[a] > number[b]:
                        a = above[a]
                    while number[b] > number[a]:
                        b = above[b]
                best = a
            if above.get(node) != best:
                above[node] = best
                changed = True
    return above, before


def natural_loops(graph, entry):
    """The sets of addresses of loops that contain no other."""
    above, before = dominators(graph, entry)

    def dominates(a, b):
        while True:
            if a == b:
                return True
            if b == entry:
                return False
            b = above[b]

    loops = {}
    for node in above:
        for header in graph[node]:
            if header in above and dominates(header, node):
                body, ahead = loops.setdefault(header, {header}), [node]
                while ahead:
                    at = ahead.pop()
                    if at not in body:
                        body.add(at)
                        ahead += before[at]
    return [body for header, body in loops.items()
            if not any(other != header and other in body for other in loops)]


def kernel_loops(library, header, kernels=None):
    """[(kernel, Loop)]: bulk loops of what the kernels' functions and their callees do, each once, in the order of the code."""
    operands = X86Operands() if library.machine == image.X86_64 else Aarch64Operands()
    found, done = [], set()
    for kernel, _, member, address in image.entry_points(library, header):
        if kernels and kernel not in kernels:
            continue
        number, ahead = 0, [address]
        while ahead:
            entry = ahead.pop(0)
            if entry in done or entry not in library.instructions:
                continue
            done.add(entry)
            graph, calls = reachable(library, entry)
            ahead += calls
            operands.rbp_is_frame = any(i.mnemonic == "mov" and i.text == "rbp,rsp"
                                        for i in (library.instructions[at] for at in graph))
            for body in sorted(natural_loops(graph, entry), key=min):
                loop = Loop(f"{kernel} {member}", number + 1, [library.instructions[at] for at in sorted(body)], operands)
                if loop.aes or loop.logic >= BITSLICED:
                    number += 1
                    found.append((kernel, loop))
    return found
