"""x86-64 instructions for the analyses: what each reads, writes and decides.  An instruction that is not listed is not passed over."""

import re

from . import taint

FAMILY = {}
for _i, _names in enumerate("rax eax ax al|rbx ebx bx bl|rcx ecx cx cl|rdx edx dx dl|rsi esi si sil|rdi edi di dil|"
                            "rbp ebp bp bpl|rsp esp sp spl".split("|")):
    for _name, _bits in zip(_names.split(), (64, 32, 16, 8)):
        FAMILY[_name] = (_names.split()[0], _bits)
for _name in ("ah", "bh", "ch", "dh"):
    FAMILY[_name] = (f"r{_name[0]}x", 8)
for _i in range(8, 16):
    for _suffix, _bits in (("", 64), ("d", 32), ("w", 16), ("b", 8)):
        FAMILY[f"r{_i}{_suffix}"] = (f"r{_i}", _bits)
for _i in range(32):
    for _letter, _bits in (("x", 128), ("y", 256), ("z", 512)):
        FAMILY[f"{_letter}mm{_i}"] = (f"v{_i}", _bits)
for _i in range(8):
    FAMILY[f"k{_i}"] = (f"k{_i}", 64)

UPPER = ".upper"  # the part of a vector register above 128 bits, which instructions without VEX leave as it is

SIZES = {"BYTE": 1, "WORD": 2, "DWORD": 4, "QWORD": 8, "XMMWORD": 16, "OWORD": 16, "YMMWORD": 32, "ZMMWORD": 64}

CONDITIONS = "o no b c nae ae nb nc e z ne nz be na a nbe s ns p pe np po l nge ge nl le ng g nle".split()
JUMPS = {"j" + c for c in CONDITIONS}
CMOV = {"cmov" + c for c in CONDITIONS}
SET = {"set" + c for c in CONDITIONS}


def words(text):
    return set(text.split())


# The destination becomes the source, whole or in part, or a function of it alone; no flags.
COPY = words("mov movabs movaps movapd movups movupd movdqa movdqu lddqu movntdqa movntdq movnti movntps movbe vmovaps vmovapd vmovups "
             "vmovupd vmovdqa vmovdqu vmovdqa32 vmovdqa64 vmovdqu8 vmovdqu16 vmovdqu32 vmovdqu64 vlddqu vmovntdq vmovntdqa vmovntps kmovb kmovw "
             "kmovd kmovq")
CONVERT = words("movzx movsx movsxd movd movq vmovd vmovq pshufd pshuflw pshufhw pextrb pextrw pextrd pextrq aeskeygenassist aesimc pmovmskb "
                "movmskps movmskpd pabsd movddup movshdup movsldup pmovzxbw pmovzxdq pmovzxbd pmovzxwd rorx popcnt tzcnt lzcnt "
                "knotb knotw knotd knotq")
# The destination takes part: two operands, no flags.
LEGACY = words("aesenc aesenclast aesdec aesdeclast pxor por pand pandn xorps xorpd orps andps andnps paddb paddw paddd paddq psubb psubw psubd "
               "psubq pshufb psllw pslld psllq psrlw psrld psrlq psraw psrad pslldq psrldq punpcklbw punpcklwd punpckldq punpcklqdq punpckhbw "
               "punpckhwd punpckhdq punpckhqdq shufps shufpd movhps movlps movhpd movlpd movhlps movlhps movss movsd unpcklps unpckhps unpcklpd "
               "unpckhpd palignr pinsrb pinsrw pinsrd pinsrq pcmpeqb pcmpeqw pcmpeqd pcmpeqq pblendw blendps blendpd packuswb packssdw pcmpgtb pcmpgtw pcmpgtd "
               "pclmulqdq pmulludq pmuludq")
ARITHMETIC = words("add sub and or xor adc sbb imul shl sal shr sar rol ror rcl rcr shld shrd bts btr btc andn bzhi bextr blsr blsi blsmsk")
UNARY = words("neg inc dec not bswap")
COMPARE = words("cmp test bt ptest vptest vtestps vtestpd kortestb kortestw kortestd kortestq ktestb ktestw ktestd ktestq comiss comisd ucomiss "
                "ucomisd vucomiss vucomisd")
VEX_PREFIXES = words("vaes vpxor vpor vpand vpadd vpsub vpshuf vpsll vpsrl vpsra vprol vpror vpunpck vpbroadcast vbroadcast vinsert vextract "
                     "vpinsr vpextr vpalignr valign vpblend vblend vshuf vperm vpclmul vpmulu vpmull vxor vor vand vunpck vpmov vpack vpcmpeq vpcmp "
                     "vpternlog vmovd vmovq vmovh vmovl vmovs vpabs vgf2p8 vpshld vpshrd vpmax vpmin vpmultishift vptestn vptestm")
DESTINATION_TAKES_PART = re.compile(r"vpternlog|vpermi2|vpermt2|vpshldv|vpshrdv")
SAME_GIVES_CONSTANT = re.compile(r"v?p?xor[dqp]?[sd]?$|v?pcmpeq[bwdq]$|v?psub[bwdq]$|sub$|v?pandn[dq]?$|kxor[bwdq]$|kxnor[bwdq]$|v?andnp[sd]$")
MASKS = re.compile(r"k(and|andn|or|xor|xnor|add|shiftl|shiftr|unpck)(b|w|d|q|bw|wd|dq)$")
IGNORED = re.compile(r"(data16 |cs |ds |es |ss )*(nop[wl]?|endbr64|sfence|lfence|mfence|pause|emms)$")
PREFETCH = re.compile(r"prefetch(t0|t1|t2|nta|w|wt1)$|clflush(opt)?$|clwb$")
STOP = words("ud2 hlt int3")
SHIFTS = words("shl sal shr sar rol ror rcl rcr shld shrd shlx shrx sarx")


class Memory:
    def __init__(self, size, segment, base, index, scale, displacement):
        self.size, self.segment, self.base, self.index, self.scale, self.displacement = size, segment, base, index, scale, displacement


class Operand:
    """A register (family and bits), a number, or memory; `mask` and `zeroing` where it is written under a mask."""

    def __init__(self, register=None, bits=0, number=None, memory=None, mask=None, zeroing=False, low_byte=False):
        self.low_byte = low_byte
        self.register, self.bits, self.number, self.memory, self.mask, self.zeroing = register, bits, number, memory, mask, zeroing


def split(text):
    """At commas outside of brackets and braces."""
    return [part.strip() for part in re.split(r",(?![^\[{]*[\]}])", text)] if text else []


def parse_operand(text):
    mask = re.search(r"\{(k[1-7])\}", text)
    zeroing = "{z}" in text
    text = re.sub(r"\{[^}]*\}", "", text).strip()
    common = {"mask": mask[1] if mask else None, "zeroing": zeroing}
    if text in FAMILY:
        return Operand(register=FAMILY[text][0], bits=FAMILY[text][1], low_byte=FAMILY[text][1] == 8 and text[1] != "h", **common)
    if re.match(r"-?(0x[0-9a-f]+|[0-9]+)$", text):
        return Operand(number=int(text, 16 if "x" in text else 10), **common)
    match = re.match(r"(?:(\w+) (?:PTR|BCST) )?(?:(\w\w):)?(?:\[(.*)\]|(0x[0-9a-f]+))$", text)
    if not match:
        return None
    base = index = None
    scale, displacement = 1, int(match[4], 16) if match[4] else 0
    for sign, part in re.findall(r"([+-]?)([^+-]+)", match[3] or ""):
        if part.split("*")[0] in FAMILY or part.split("*")[0] == "riz":
            name, _, factor = part.partition("*")
            if factor:
                index, scale = FAMILY.get(name, (None,))[0], int(factor)
            elif base is None:
                base = FAMILY[name][0]
            else:
                index = FAMILY[name][0]
        elif part == "rip":
            base = "rip"
        else:
            displacement += int(part, 16) * (-1 if sign == "-" else 1)
    if displacement >= 1 << 63:
        displacement -= 1 << 64
    return Operand(memory=Memory(SIZES.get(match[1], 0), match[2], base, index, scale, displacement), **common)


class Machine:
    arguments = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"]
    result = "rax"
    stack_pointer = "rsp"
    preserved = ["rbx", "rbp", "rsp", "r12", "r13", "r14", "r15"]

    def __init__(self, image):
        self.image = image
        self.parsed = {}

    def enter(self, kinds):
        """The state at a function's first instruction; arguments after the sixth are on the stack."""
        state = taint.State()
        state.registers["rsp"] = (False, "stack", 0, 0)
        for i, kind in enumerate(kinds):
            if i < len(self.arguments):
                state.registers[self.arguments[i]] = taint.argument(kind)
            else:
                state.store_stack((False, "stack", 8 + 8 * (i - 6), 0), 8, taint.argument(kind))
        return state

    def operands(self, instruction):
        found = self.parsed.get(instruction.address)
        if found is None:
            found = [parse_operand(part) for part in split(instruction.text)]
            self.parsed[instruction.address] = found
        return found

    # Reading and writing operands.

    def address(self, state, m, instruction):
        if m.segment == "fs":
            return (False, "global", 0, 1)
        if m.base == "rip":
            to = instruction.comment
            kind = "public" if to is not None and self.image.is_constant(to) else "any"
            return (False, kind, 0, 1)
        value = taint.known(m.displacement)
        if m.base and m.base == m.index:
            return taint.add(taint.times(state.get(m.base), m.scale + 1), value)
        if m.base:
            value = taint.add(state.get(m.base), value)
        if m.index:
            index = state.get(m.index)
            value = taint.add(value, index if m.scale == 1 else taint.times(index, m.scale))
        return value

    def read(self, a, state, operand, size=0):
        if operand.number is not None:
            return taint.known(operand.number)
        if operand.memory:
            m = operand.memory
            if operand.mask and state.get(operand.mask)[0]:
                a.say("the mask of a memory access depends on a secret")
            return a.load(state, self.address(state, m, a.at), m.size or size or 64)
        value = state.get(operand.register)
        if operand.bits > 128:
            value = taint.of(value[0] or state.get(operand.register + UPPER)[0])
        if operand.low_byte:
            value = state.registers.get(operand.register + taint.LOW_BYTE, value)
        if operand.bits < 64:
            return value if value[3] == 0 and 0 <= value[2] < 1 << 31 and value[1] == "any" else taint.of(value[0])
        return value

    def write(self, a, state, operand, value, size=0):
        if operand.memory:
            m = operand.memory
            if operand.mask and state.get(operand.mask)[0]:
                a.say("the mask of a memory access depends on a secret")
            a.store(state, self.address(state, m, a.at), m.size or size or 64, value, certain=operand.mask is None)
            return
        if operand.mask:
            value = taint.of(value[0] or state.get(operand.mask)[0] or (not operand.zeroing and self.read(a, state, operand)[0]))
        state.registers.pop(operand.register + taint.LOW_BYTE, None)
        if operand.low_byte:
            state.registers[operand.register + taint.LOW_BYTE] = taint.of(value[0])
        if operand.bits < 32 and operand.register[0] == "r":
            value = taint.of(value[0] or state.get(operand.register)[0])
        elif operand.bits == 32 and operand.register[0] == "r":
            value = taint.known(value[2] & 0xffffffff) if value[3] == 0 and not value[0] and value[1] == "any" else taint.of(value[0])
        state.registers[operand.register] = value
        if operand.register[0] == "v" and a.at.mnemonic[0] == "v":
            state.registers[operand.register + UPPER] = value if operand.bits > 128 else taint.PUBLIC

    def flags(self, state, secret):
        state.registers["flags"] = taint.of(secret)

    # One instruction: the addresses where it may go on; None: it returns.

    def step(self, a, state, i):
        name = re.sub(r"^(notrack|bnd) ", "", i.mnemonic)
        if name in JUMPS or name == "jmp" or name == "call" or name == "ret" or name in STOP:
            return self.control(a, state, i, name)
        if IGNORED.match(name):
            return [i.next]
        if name == "vzeroupper":
            for n in range(16):
                state.registers[f"v{n}{UPPER}"] = taint.PUBLIC
            return [i.next]
        ops = self.operands(i)
        if None in ops:
            a.say(f"an operand that is not understood: {i.text}")
            return [i.next]
        if not self.integer(a, state, i, name, ops) and not self.vector(a, state, name, ops):
            a.say(f"I do not know {name}")
        return [i.next]

    def control(self, a, state, i, name):
        if name in STOP:
            return []
        if name == "ret":
            return None
        if name in JUMPS:
            a.branch(state.get("flags"))
            return [i.target, i.next]
        if i.target is None:
            operand = self.operands(i)[0]
            if operand and self.read(a, state, operand)[0]:
                a.say("the target of an indirect branch depends on a secret")
            else:
                a.say("an indirect branch, which is not followed")
            return [i.next] if name == "call" else []
        if name == "call":
            rsp = state.get("rsp")
            state.registers["rsp"] = taint.add(rsp, taint.known(-8))
            returns = a.call(state, i.target)
            state.registers["rsp"] = rsp
            return [i.next] if returns else []
        if i.target in self.image.stubs:
            return None if a.call(state, i.target) else []
        return [i.target]

    def integer(self, a, state, i, name, ops):
        if name == "push":
            state.registers["rsp"] = taint.add(state.get("rsp"), taint.known(-8))
            a.store(state, state.get("rsp"), 8, self.read(a, state, ops[0]))
        elif name == "pop":
            self.write(a, state, ops[0], a.load(state, state.get("rsp"), 8))
            state.registers["rsp"] = taint.add(state.get("rsp"), taint.known(8))
        elif name == "leave":
            state.registers["rsp"] = state.get("rbp")
            state.registers["rbp"] = a.load(state, state.get("rsp"), 8)
            state.registers["rsp"] = taint.add(state.get("rsp"), taint.known(8))
        elif name == "lea":
            self.write(a, state, ops[0], self.address(state, ops[1].memory, i))
        elif name in ("mov", "movabs"):
            self.write(a, state, ops[0], self.read(a, state, ops[1], ops[0].bits // 8), ops[1].bits // 8)
        elif name == "xchg":
            first, second = self.read(a, state, ops[0]), self.read(a, state, ops[1])
            self.write(a, state, ops[0], second)
            self.write(a, state, ops[1], first)
        elif name in CMOV:
            value = taint.join(self.read(a, state, ops[0]), self.read(a, state, ops[1]))
            self.write(a, state, ops[0], (value[0] or state.get("flags")[0], *value[1:]))
        elif name in SET:
            self.write(a, state, ops[0], taint.of(state.get("flags")[0]))
        elif name in ("cdq", "cqo", "cwd"):
            state.set("rdx", taint.of(state.get("rax")[0]))
        elif name in ("cdqe", "cwde"):
            state.set("rax", taint.of(state.get("rax")[0]))
        elif name in ("mul", "imul", "div", "idiv") and len(ops) == 1:
            self.multiply(a, state, name, ops[0])
        elif name in ("mulx",):
            secret = state.get("rdx")[0] or self.read(a, state, ops[2])[0]
            self.write(a, state, ops[0], taint.of(secret))
            self.write(a, state, ops[1], taint.of(secret))
        elif name in UNARY:
            value = self.read(a, state, ops[0])
            if name != "not" and name != "bswap":
                self.flags(state, value[0] or (name in ("inc", "dec") and state.get("flags")[0]))
            change = {"inc": 1, "dec": -1}.get(name)
            self.write(a, state, ops[0], taint.add(value, taint.known(change)) if change else taint.of(value[0]))
        elif name in ARITHMETIC or name in SHIFTS:
            self.arithmetic(a, state, name, ops)
        elif name in COMPARE:
            same = len(ops) == 2 and ops[0].register and ops[0].register == ops[1].register and name == "cmp"
            secret = [self.read(a, state, operand)[0] for operand in ops]
            self.flags(state, any(secret) and not same)
        elif re.match(r"rep (stos|movs)", name):
            self.string(a, state, name)
        elif PREFETCH.match(name):
            a.check_address(self.address(state, ops[0].memory, i))
        else:
            return False
        return True

    def multiply(self, a, state, name, operand):
        secret = self.read(a, state, operand)[0] or state.get("rax")[0]
        if name in ("div", "idiv"):
            secret = secret or state.get("rdx")[0]
            if secret:
                a.say("the time of a division depends on a secret")
        for register in ("rax", "rdx"):
            state.set(register, taint.of(secret))
        self.flags(state, secret)

    def string(self, a, state, name):
        a.check_address(state.get("rcx"))
        value = state.get("rax")
        if "movs" in name:
            value = a.load(state, (*state.get("rsi")[:3], 1), 8)
        a.store(state, (*state.get("rdi")[:3], 1), 8, value)
        for register in ("rcx", "rdi", "rsi"):
            _, kind, low, _ = state.get(register)
            state.set(register, (False, kind, low, 1))

    def arithmetic(self, a, state, name, ops):
        three = len(ops) == 3 and name not in ("shld", "shrd")
        sources = ops[1:] if three else ops
        values = [self.read(a, state, operand) for operand in sources]
        secret = any(value[0] for value in values)
        same = len(sources) == 2 and sources[0].register and sources[0].register == sources[1].register
        if name in ("adc", "sbb", "rcl", "rcr"):
            secret = state.get("flags")[0] or (secret and not (name == "sbb" and same))
        elif same and name in ("xor", "sub"):
            secret = False
        if name in SHIFTS and values[-1][0]:
            a.say("a shift count depends on a secret")
        value = taint.of(secret)
        if len(values) == 1:
            values.append(taint.known(1))
        if same and name in ("xor", "sub"):
            value = taint.known(0)
        elif name in ("add", "sub") and not three:
            value = taint.add(values[0], values[1], 1 if name == "add" else -1)
        elif name in ("shl", "sal", "imul") and values[-1][3] == 0 and not values[-1][0]:
            factor = 1 << (values[-1][2] & 63) if name != "imul" else values[-1][2]
            value = taint.times(values[0], factor)
        elif name == "and" and values[0][1].startswith("stack"):
            value = (False, f"stack{a.at.address:x}.{len(a.calls)}", 0, 0)
        if not name.endswith("x"):
            kept = name in SHIFTS and not (values[-1][3] == 0 and values[-1][2])  # by 0 they leave the flags alone
            self.flags(state, secret or (kept and state.get("flags")[0]))
        self.write(a, state, ops[0], value)

    def vector(self, a, state, name, ops):
        if name in COPY or name in CONVERT:
            value = self.read(a, state, ops[1], ops[0].bits // 8)
            self.write(a, state, ops[0], value if name in COPY and ops[0].bits < 128 and ops[0].register else taint.of(value[0]),
                       ops[1].bits // 8)
            return True
        if name in LEGACY:
            sources = ops if not ops[0].memory else ops[1:]
        elif MASKS.match(name) or any(name.startswith(prefix) for prefix in VEX_PREFIXES):
            sources = ops if DESTINATION_TAKES_PART.match(name) else ops[1:]
        else:
            return False
        if re.search(r"gather|scatter|compress|expand", name):
            return False
        secret = any(self.read(a, state, operand, ops[0].bits // 8)[0] for operand in sources)
        pair = [operand.register for operand in (ops[1:] if len(ops) == 3 else ops[:2])]
        if SAME_GIVES_CONSTANT.match(name) and pair[0] and pair[0] == pair[1] or \
                name.startswith("vpternlog") and ops[-1].number in (0, 255):
            secret = False
        self.write(a, state, ops[0], taint.of(secret), ops[-1].bits // 8 or ops[0].bits // 8)
        return True
