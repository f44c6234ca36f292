#include "sealane/error.h"

#include <stddef.h>

static const struct row {
    enum sealane_error error;
    int exit_code;
    const char *name;
    const char *message;
} rows[] = {
    {SEALANE_OK, 0, "OK", "done"},
#define ERROR(value, name, exit_code, message) {SEALANE_E_##name, exit_code, #name, message},
#include "sealane/errors.def"
#undef ERROR
};

static const struct row unknown = {SEALANE_OK, 1, "UNKNOWN", "an error this version does not know"};

static const struct row *find(enum sealane_error error)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].error == error)
            return &rows[i];
    }
    return &unknown;
}

const char *sealane_error_name(enum sealane_error error)
{
    return find(error)->name;
}

const char *sealane_error_message(enum sealane_error error)
{
    return find(error)->message;
}

int sealane_error_exit_code(enum sealane_error error)
{
    return find(error)->exit_code;
}
