/* Linkage and checking attributes of the public interface. */
#ifndef SEALANE_EXPORT_H
#define SEALANE_EXPORT_H

#if defined(__GNUC__)
#define SEALANE_API __attribute__((visibility("default")))
#define SEALANE_CHECK __attribute__((warn_unused_result))
#else
#define SEALANE_API
#define SEALANE_CHECK
#endif

#ifdef __cplusplus
#define SEALANE_BEGIN extern "C" {
#define SEALANE_END }
#else
#define SEALANE_BEGIN
#define SEALANE_END
#endif

#endif
