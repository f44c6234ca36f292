/* The generated columns: after the web analytics table that ClickHouse is usually measured with, whose rows come in
 * visits, so that neighbouring rows share a visitor and most columns compress well, some not at all. */
#include <stdlib.h>
#include <string.h>

#include "bench/overhead.h"

enum { VISITORS = 1 << 16, FIRST_EVENT = 1372636800, SECONDS = 86400 };

struct overhead_table {
    uint32_t visitor[OVERHEAD_ROWS];
    uint32_t time[OVERHEAD_ROWS];
    uint32_t page[OVERHEAD_ROWS];
};

/* SplitMix64's finaliser: a hash good enough that values do not look related. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* A number for one purpose of one row (or visitor, or page), independent of those for other purposes. */
static uint64_t draw(uint64_t purpose, uint64_t of)
{
    return mix(mix(purpose) ^ of);
}

/* 0 .. n - 1, small ones much more often: about what popularity looks like. */
static uint32_t popular(uint64_t random, uint32_t n)
{
    double u = (double)(random >> 11) / 9007199254740992.0;
    return (uint32_t)(u * u * u * u * n);
}

struct overhead_table *overhead_table_create(void)
{
    struct overhead_table *table = malloc(sizeof *table);
    uint32_t visit = 0;
    uint32_t left = 0;

    if (table == NULL)
        return NULL;
    for (uint32_t row = 0; row < OVERHEAD_ROWS; row++) {
        if (left == 0) {
            visit++;
            left = 1 + popular(draw(1, visit), 40);
        }
        left--;
        table->visitor[row] = popular(draw(2, visit), VISITORS);
        table->page[row] = popular(draw(3, visit), 3000) * 64 + popular(draw(4, row), 64);
        table->time[row] = (uint32_t)((uint64_t)row * SECONDS / OVERHEAD_ROWS) + (uint32_t)(draw(5, row) % 3);
    }
    return table;
}

void overhead_table_free(struct overhead_table *table)
{
    free(table);
}

/* ---- Values ---- */

static size_t put(uint8_t *out, const void *value, size_t len)
{
    memcpy(out, value, len);
    return len;
}

static size_t put_u8(uint8_t *out, uint64_t value)
{
    *out = (uint8_t)value;
    return 1;
}

static size_t put_u16(uint8_t *out, uint64_t value)
{
    uint16_t v = (uint16_t)value;
    return put(out, &v, sizeof v);
}

static size_t put_u32(uint8_t *out, uint64_t value)
{
    uint32_t v = (uint32_t)value;
    return put(out, &v, sizeof v);
}

static size_t put_u64(uint8_t *out, uint64_t value)
{
    return put(out, &value, sizeof value);
}

static size_t watch_id(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    (void)table;
    return put_u64(out, draw(10, row) >> 1);
}

static size_t event_time(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u32(out, FIRST_EVENT + table->time[row]);
}

static size_t event_date(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u16(out, (FIRST_EVENT + table->time[row]) / SECONDS);
}

static size_t counter_id(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u32(out, 62 + table->page[row] / 4096);
}

static size_t user_id(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u64(out, draw(11, table->visitor[row]));
}

static size_t client_ip(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u32(out, draw(12, table->visitor[row]));
}

static size_t region_id(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u32(out, 1 + popular(draw(13, table->visitor[row]), 5000));
}

static size_t os(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u8(out, 1 + popular(draw(14, table->visitor[row]), 90));
}

static size_t browser(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u8(out, 1 + popular(draw(15, table->visitor[row]), 60));
}

static size_t age(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    uint64_t random = draw(16, table->visitor[row]);
    return put_u8(out, random % 3 == 0 ? 16 + (random >> 8) % 50 : 0);
}

static size_t is_mobile(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u8(out, draw(17, table->visitor[row]) % 12 == 0);
}

static size_t width(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    static const uint16_t widths[] = {1366, 1920, 1280, 1024, 1600, 1440, 1680, 768, 360, 320};
    return put_u16(out, widths[popular(draw(18, table->visitor[row]), 10)]);
}

static size_t height(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    static const uint16_t heights[] = {768, 1080, 800, 1024, 900, 1050, 600, 720, 640, 480};
    return put_u16(out, heights[popular(draw(18, table->visitor[row]), 10)]);
}

static size_t url_hash(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    return put_u64(out, draw(19, table->page[row]));
}

static size_t send_timing(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    uint64_t random = draw(20, row);
    (void)table;
    return put_u32(out, random % 4 == 0 ? 0 : 20 + popular(random, 30000));
}

/* Money: mostly none, else with two decimals. */
static size_t price(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    uint64_t random = draw(21, row);
    double value = random % 10 == 0 ? (double)popular(random, 500000) / 100 : 0;
    (void)table;
    return put(out, &value, sizeof value);
}

/* A measurement: three decimals around a level that belongs to the page. */
static size_t load_seconds(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    double value = (double)(100 + draw(22, table->page[row]) % 4000 + draw(23, row) % 64) / 1000;
    return put(out, &value, sizeof value);
}

static size_t param_id(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    uint64_t random = draw(24, row);
    (void)table;
    return put_u64(out, random % 50 == 0 ? random >> 40 : 0);
}

/* ---- Strings ---- */

static const char *const words[32] = {"news",  "auto",   "photo", "market", "search",  "video",  "forum",  "catalog",
                                      "item",  "house",  "kino",  "sport",  "music",   "travel", "garden", "phone",
                                      "price", "review", "city",  "center", "user",    "recipe", "child",  "health",
                                      "book",  "map",    "job",   "game",   "finance", "school", "mail",   "weather"};

struct text {
    uint8_t *out; /* the length byte, then the text */
    size_t len;
};

static void add(struct text *text, const char *piece)
{
    size_t len = strlen(piece);

    if (text->len + len > OVERHEAD_VALUE_MAX - 1)
        len = OVERHEAD_VALUE_MAX - 1 - text->len;
    memcpy(text->out + 1 + text->len, piece, len);
    text->len += len;
}

static void add_number(struct text *text, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    add(text, digits + at);
}

static size_t finish(struct text *text)
{
    text->out[0] = (uint8_t)text->len;
    return text->len + 1;
}

static void add_address(struct text *text, uint32_t page)
{
    uint64_t site = draw(30, page / 64);
    uint64_t path = draw(31, page);

    add(text, site % 3 == 0 ? "https://" : "http://");
    add(text, words[site >> 8 & 31]);
    add(text, words[site >> 16 & 31]);
    add(text, site >> 24 & 1 ? ".ru/" : ".com/");
    add(text, words[path & 31]);
    add(text, "/");
    add(text, words[path >> 8 & 31]);
    add(text, path >> 16 & 1 ? "?id=" : "/");
    add_number(text, path >> 44);
}

static size_t url(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    struct text text = {out, 0};

    add_address(&text, table->page[row]);
    if (draw(32, row) % 4 == 0) {
        add(&text, "&sid=");
        add_number(&text, draw(33, row) >> 32);
    }
    return finish(&text);
}

static size_t referer(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    struct text text = {out, 0};

    if (draw(34, row) % 2 == 0)
        add_address(&text, row == 0 ? 0 : table->page[row - 1]);
    return finish(&text);
}

static size_t title(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    struct text text = {out, 0};
    uint64_t random = draw(35, table->page[row]);

    for (unsigned i = 0; i < 3 + (random >> 60) % 4; i++) {
        if (i > 0)
            add(&text, " ");
        add(&text, words[random >> 5 * i & 31]);
    }
    return finish(&text);
}

static size_t search_phrase(const struct overhead_table *table, uint32_t row, uint8_t *out)
{
    struct text text = {out, 0};
    uint64_t random = draw(36, row);

    (void)table;
    if (random % 12 == 0) {
        add(&text, words[random >> 8 & 31]);
        add(&text, " ");
        add(&text, words[random >> 16 & 31]);
    }
    return finish(&text);
}

const struct overhead_column overhead_columns[OVERHEAD_COLUMNS] = {
    {"WatchID", OVERHEAD_U64, watch_id},
    {"EventTime", OVERHEAD_U32, event_time},
    {"EventDate", OVERHEAD_U16, event_date},
    {"CounterID", OVERHEAD_U32, counter_id},
    {"UserID", OVERHEAD_U64, user_id},
    {"ClientIP", OVERHEAD_U32, client_ip},
    {"RegionID", OVERHEAD_U32, region_id},
    {"OS", OVERHEAD_U8, os},
    {"Browser", OVERHEAD_U8, browser},
    {"Age", OVERHEAD_U8, age},
    {"IsMobile", OVERHEAD_U8, is_mobile},
    {"Width", OVERHEAD_U16, width},
    {"Height", OVERHEAD_U16, height},
    {"URLHash", OVERHEAD_U64, url_hash},
    {"SendTiming", OVERHEAD_U32, send_timing},
    {"Price", OVERHEAD_F64, price},
    {"LoadSeconds", OVERHEAD_F64, load_seconds},
    {"ParamID", OVERHEAD_U64, param_id},
    {"URL", OVERHEAD_STRING, url},
    {"Referer", OVERHEAD_STRING, referer},
    {"Title", OVERHEAD_STRING, title},
    {"SearchPhrase", OVERHEAD_STRING, search_phrase},
};
