/* ff: the version of the library, and the macro that marks what it exports. */
#ifndef FF_VERSION_H
#define FF_VERSION_H

#define FF_VERSION_MAJOR 0
#define FF_VERSION_MINOR 1
#define FF_VERSION_PATCH 0
#define FF_VERSION "0.1.0"

#ifdef __cplusplus
#define FF_EXTERN_C extern "C"
#else
#define FF_EXTERN_C extern
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
