/* The bitsliced kernel for vectors of VECTOR_LEN bytes (16, 32 or 64; the includer's).
 *
 * Byte 4 c + r of each 16-byte lane of a plane belongs to row r and column c; it has one bit for each of eight blocks:
 * bit j in lane l is that of block j LANES + l.  So transposed planes are the bytes of successive blocks in order. */
#include <stdint.h>
#include <string.h>

#if VECTOR_LEN > 16
#include <immintrin.h> /* for one instruction: gcc 12 makes a shuffle of it that goes through memory */
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bytes are numbered as in little-endian vectors"
#endif

typedef uint64_t vector __attribute__((vector_size(VECTOR_LEN)));
typedef uint32_t vector32 __attribute__((vector_size(VECTOR_LEN)));
typedef uint8_t vector8 __attribute__((vector_size(VECTOR_LEN)));
typedef uint64_t lane __attribute__((vector_size(16)));
typedef uint8_t lane8 __attribute__((vector_size(16)));

enum { LANES = VECTOR_LEN / 16 };

/* Where position p of a lane takes its byte from: row r + rows and column c + columns + turn r, of the lane that begins
 * at byte `at`; `flip` 7: as if the bytes of each half came in reverse. */
#define FROM(at, p, rows, columns, turn, flip)                                                                         \
    ((at) + ((4 * (((p) / 4 + (columns) + (turn) * ((p) % 4)) & 3) + (((p) + (rows)) & 3)) ^ (flip)))
#define FROM_4(at, p, ...)                                                                                             \
    FROM(at, p, __VA_ARGS__), FROM(at, p + 1, __VA_ARGS__), FROM(at, p + 2, __VA_ARGS__), FROM(at, p + 3, __VA_ARGS__)
#define FROM_16(at, ...)                                                                                               \
    FROM_4(at, 0, __VA_ARGS__), FROM_4(at, 4, __VA_ARGS__), FROM_4(at, 8, __VA_ARGS__), FROM_4(at, 12, __VA_ARGS__)
#if VECTOR_LEN == 16
#define SHUFFLE(v, ...) ((vector)__builtin_shufflevector((vector8)(v), (vector8)(v), FROM_16(0, __VA_ARGS__)))
#define FROM_KEY_PLANE(k) (k)
#define LANE_COUNTERS(hi, lo, step) ((vector){hi, lo})
#elif VECTOR_LEN == 32
#define SHUFFLE(v, ...)                                                                                                \
    ((vector)__builtin_shufflevector((vector8)(v), (vector8)(v), FROM_16(0, __VA_ARGS__), FROM_16(16, __VA_ARGS__)))
#define FROM_KEY_PLANE(k) ((vector)_mm256_broadcastsi128_si256((__m128i)(k)))
#define LANE_COUNTERS(hi, lo, step) ((vector){hi, lo, hi, (lo) + (step)})
#else
#define SHUFFLE(v, ...)                                                                                                \
    ((vector)__builtin_shufflevector((vector8)(v), (vector8)(v), FROM_16(0, __VA_ARGS__), FROM_16(16, __VA_ARGS__),    \
                                     FROM_16(32, __VA_ARGS__), FROM_16(48, __VA_ARGS__)))
#define FROM_KEY_PLANE(k) ((vector)_mm512_broadcast_i32x4((__m128i)(k)))
#define LANE_COUNTERS(hi, lo, step) ((vector){hi, lo, hi, (lo) + (step), hi, (lo) + 2 * (step), hi, (lo) + 3 * (step)})
#endif

#define WORD vector
#define KEY_PLANE lane

#if defined __SSE2__ && !defined __SSSE3__
/* No shuffle of bytes: rows turn within 32-bit words, columns are such words. */
static inline __attribute__((always_inline)) vector rotate(vector v, int rows, int columns)
{
    vector32 w = (vector32)v;
    if (rows % 4 != 0)
        w = w >> 8 * (rows % 4) | w << (32 - 8 * (rows % 4));
    switch (columns % 4) {
    case 1:
        return (vector)__builtin_shufflevector(w, w, 1, 2, 3, 0);
    case 2:
        return (vector)__builtin_shufflevector(w, w, 2, 3, 0, 1);
    case 3:
        return (vector)__builtin_shufflevector(w, w, 3, 0, 1, 2);
    default:
        return (vector)w;
    }
}
#define ROTATE(v, rows, columns) rotate(v, rows, columns)

static inline __attribute__((always_inline)) void counters(vector q[8], uint64_t hi, uint64_t lo)
{
    const uint64_t even_rows = 0x00ff00ff00ff00ff;
    uint64_t first = __builtin_bswap64(hi);
    for (uint64_t j = 0; j < 8; j++) {
        uint64_t second = __builtin_bswap64(lo + j);
        uint64_t exchanged = (first ^ second) & ~even_rows;
        q[j] = (vector){first ^ exchanged, second ^ exchanged};
    }
}
#else
#define ROTATE(v, rows, columns) SHUFFLE(v, rows, columns, 0, 0)

static inline __attribute__((always_inline)) void counters(vector q[8], uint64_t hi, uint64_t lo)
{
    const vector step = LANE_COUNTERS(0, LANES, 0);
    vector counter = LANE_COUNTERS(hi, lo, 1);
    for (int j = 0; j < 8; j++) {
        q[j] = SHUFFLE(counter, 0, 0, 2, 7);
        counter += step;
    }
}
#endif

static inline __attribute__((always_inline)) vector load(const uint8_t *p)
{
    vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) void store(uint8_t *p, vector v)
{
    memcpy(p, &v, sizeof v);
}

static inline __attribute__((always_inline)) void key_planes(lane planes[8], const uint8_t key[16])
{
    lane8 bytes;
    memcpy(&bytes, key, sizeof bytes);
    for (int i = 0; i < 8; i++)
        planes[i] = (lane)((bytes >> i & 1) != 0);
}

#define LOAD(p) load(p)
#define STORE(p, v) store(p, v)
#define KEYSTREAM(q) ((void)0)

#include "arch/portable_template.h"
