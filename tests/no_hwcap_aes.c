/* Preloaded under qemu-user, whose every aarch64 CPU has AES: what the program learns about its CPU then lacks it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/auxv.h>

unsigned long getauxval(unsigned long type)
{
    static unsigned long (*next)(unsigned long);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getauxval");
    if (!next)
        abort();
    unsigned long value = next(type);
#ifdef HWCAP_AES
    if (type == AT_HWCAP)
        value &= ~(unsigned long)HWCAP_AES;
#endif
    return value;
}
