#include "sealane/kms.h"

#include "cli/parse.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/session.h"

int sl_cli_run_kms_create(const struct sl_cli_arguments *a)
{
    int exit_code = sl_cli_check_kms(a, a->word[0], true);
    if (exit_code != 0)
        return exit_code;
    struct sealane_kms_options options = SEALANE_KMS_OPTIONS_INIT;
    options.allow_unlocked_memory = sl_cli_given(a, SL_CLI_UNLOCKED);
    enum sealane_error error = sealane_kms_create(a->word[0], &options);
    if (error)
        return sl_cli_fail(error, a->word[0]);
    sl_cli_warn_if_unlockable(a);
    return 0;
}
