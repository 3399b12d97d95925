/* ff: the version of the library, and the macros for what C and C++ or two compilers write differently. */
#ifndef FF_VERSION_H
#define FF_VERSION_H

#include <stdint.h>

#define FF_VERSION_MAJOR 0
#define FF_VERSION_MINOR 1
#define FF_VERSION_PATCH 0
#define FF_VERSION "0.1.0"

/* A program in C++ may be built with -Wold-style-cast, and its compiler looks at what these headers hold, too. */
#ifdef __cplusplus
#define FF_EXTERN_C extern "C"
#define FF_CAST(type, value) (static_cast<type>(value))
#define FF_WITHOUT_CONST(pointer) (const_cast<void *>(static_cast<const void *>(pointer)))
#else
#define FF_EXTERN_C extern
#define FF_CAST(type, value) ((type)(value))
#define FF_WITHOUT_CONST(pointer) ((void *)(uintptr_t)(pointer))
#endif

#if defined(__GNUC__)
#define FF_API FF_EXTERN_C __attribute__((visibility("default")))
#define FF_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define FF_API FF_EXTERN_C
#define FF_PRINTF(text, first)
#endif

/* The version of the library that is linked, which may be newer than this header: "0.1.0". */
FF_API const char *ff_version(void);

#endif
