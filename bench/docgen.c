/* Writes sealane-bench's manual page from options.def: docgen VERSION. */
#include <stdio.h>

#include "bench/options.h"

static void roff(const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '-')
            fputs("\\-", stdout);
        else if (*at == '\\')
            fputs("\\e", stdout);
        else if (*at == '\'' || (*at == '.' && at == text))
            printf("\\&%c", *at);
        else
            putchar(*at);
    }
}

static void write_option(enum bench_option_id id)
{
    const struct bench_option *option = &bench_options_table[id];
    printf(".TP\n");
    if (option->short_name)
        printf("\\fB\\-%c\\fR, ", option->short_name);
    printf("\\fB\\-\\-");
    roff(option->name);
    printf("\\fR%s\\fI", *option->argument && !bench_option_is_google(id) ? " " : "");
    roff(option->argument);
    printf("\\fR\n");
    roff(option->help);
    printf("\n");
}

static void write_options(void)
{
    printf(".SH OPTIONS\n");
    for (int id = 0; id < BENCH_OPTIONS; id++)
        if (!bench_option_is_google((enum bench_option_id)id))
            write_option((enum bench_option_id)id);
    printf(".SS \"Of Google Benchmark's flags\"\n");
    for (int id = 0; id < BENCH_OPTIONS; id++)
        if (bench_option_is_google((enum bench_option_id)id))
            write_option((enum bench_option_id)id);
    printf(".SS \"Refused, because they could have no effect\"\n");
    for (size_t i = 0; i < bench_options_refused_count; i++) {
        printf(".TP\n\\fB\\-\\-");
        roff(bench_options_refused[i].name);
        printf("\\fR\n");
        roff(bench_options_refused[i].help);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    printf(".TH SEALANE-BENCH 1 \"\" \"sealane %s\" \"User Commands\"\n", argc > 1 ? argv[1] : "");
    printf(
        ".SH NAME\nsealane\\-bench \\- measure what AES\\-256\\-CTR costs on this machine\n"
        ".SH SYNOPSIS\n.B sealane\\-bench\n[\\fIOPTION\\fR]...\n"
        ".SH DESCRIPTION\n"
        "Measures this library beside others in interleaved rounds of one process, compares every row's output with\n"
        "OpenSSL's or with its input before it is timed, and prints a table for each suite:\n"
        ".TP\n\\fBkernels\\fR\nthe cipher alone, from 16 bytes to 256 MiB a call\n"
        ".TP\n\\fBfiles\\fR\nsealing and unsealing a file, against cp and sync\n"
        ".TP\n\\fBoverhead\\fR\nwhat encryption at rest costs a column store\n"
        ".PP\nThese take about two minutes. Others are only measured if \\fB\\-\\-suite\\fR names them:\n"
        ".TP\n\\fBbatch\\fR\nmany small records in one call\n"
        ".TP\n\\fBsmall\\fR\nsingle calls of 16 to 1500 bytes\n"
        ".TP\n\\fBdram\\fR\n16 and 256 MiB, in place and not, beside copies of as much\n"
        ".TP\n\\fBscaling\\fR\na pool of 1 to N threads on 256 MiB, beside copies by as many, each NUMA node by "
        "itself, "
        "too; many short requests\n");
    printf(
        ".PP\n\\fB\\-\\-calibrate\\fR measures instead, for lengths of 32 bytes to 64 MiB, each path of the engine "
        "against what it would\ndo without it: a table for each key, a table for each stream, and stores past the "
        "caches where the result goes to\nanother place. It prints the gain at each length with half the width of "
        "its 95 %% interval, from which length on a\npath pays, and whether the engine's default costs more than 3 %% "
        "anywhere; then which other kernels are more than 3 %%\nfaster than the chosen one. What it advises to set is "
        "a member of struct sealane_thresholds in sealane/engine.h.\nIt takes half a minute.\n");
    write_options();
    printf(
        ".SH EXIT STATUS\n.TP\n0\ndone\n"
        ".TP\n1\nfailed: an output is wrong, dispatch is more than 3 %% slower than another kernel, or something "
        "cannot be read or written\n"
        ".TP\n2\nusage, or no row matches\n"
        ".PP\nSIGINT, SIGTERM and SIGHUP remove temporary files and end the program by that signal.\n"
        ".SH FILES\nSuites files and overhead write temporary files: to \\fB\\-\\-scratch\\fR, else beside the program "
        "if that is a\nbuild directory, else to \\fBTMPDIR\\fR, /var/tmp or the working directory, whichever comes "
        "first and allows it. The\nprogram says where.\n"
        ".SH EXAMPLES\nSealing 4 GiB against copying them, on the disk of /srv, which needs 12 GiB for that time:\n"
        ".PP\n.RS\nsealane\\-bench \\-\\-suite files \\-\\-files\\-bytes 4G \\-\\-scratch /srv \\-\\-rounds 8\n.RE\n"
        ".SH SEE ALSO\n.BR sealane (1)\n");
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
