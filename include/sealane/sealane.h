/* Everything public in one include. */
#ifndef SEALANE_SEALANE_H
#define SEALANE_SEALANE_H

#include "sealane/cpu.h"
#include "sealane/engine.h"
#include "sealane/error.h"
#include "sealane/file.h"
#include "sealane/keystore.h"
#include "sealane/kms.h"
#include "sealane/memory.h"
#include "sealane/output.h"
#include "sealane/pool.h"
#include "sealane/topology.h"
#include "sealane/version.h"

#endif
