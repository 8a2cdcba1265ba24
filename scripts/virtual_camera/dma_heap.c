/* /dev/dma_heap for machines whose kernel has none: buffers are memory files. Preloaded by the proof of picamera2.

   Only what libcamera and picamera2 do with a heap is answered here: open it, allocate from it, and say when the
   processor begins and ends to look at a buffer. Everything else goes to the C library as it is. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_FILES = 65536 };
static unsigned char is_heap[MOST_FILES];

static int open_heap(const char *path)
{
    int file = memfd_create("dma-heap", MFD_CLOEXEC);
    (void)path;
    if (file >= 0 && file < MOST_FILES)
        is_heap[file] = 1;
    return file;
}

static int names_a_heap(const char *path)
{
    return path && !strncmp(path, "/dev/dma_heap/", 14);
}

static mode_t mode_of(int flags, va_list *rest)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(*rest, mode_t) : 0;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...)                                                                         \
    {                                                                                                                  \
        static int (*real)(const char *, int, ...);                                                                    \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, &rest);                                                                           \
        va_end(rest);                                                                                                  \
        if (names_a_heap(path))                                                                                        \
            return open_heap(path);                                                                                    \
        if (!real)                                                                                                     \
            real = dlsym(RTLD_NEXT, #name);                                                                            \
        return real(path, flags, mode);                                                                                \
    }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...)                                                             \
    {                                                                                                                  \
        static int (*real)(int, const char *, int, ...);                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = mode_of(flags, &rest);                                                                           \
        va_end(rest);                                                                                                  \
        if (names_a_heap(path))                                                                                        \
            return open_heap(path);                                                                                    \
        if (!real)                                                                                                     \
            real = dlsym(RTLD_NEXT, #name);                                                                            \
        return real(folder, path, flags, mode);                                                                        \
    }
OPEN_AT(openat)
OPEN_AT(openat64)

int close(int file)
{
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "close");
    if (file >= 0 && file < MOST_FILES)
        is_heap[file] = 0;
    return real(file);
}

static int allocate(struct dma_heap_allocation_data *wanted)
{
    int file = memfd_create("dma-buf", MFD_CLOEXEC);
    if (file < 0)
        return -1;
    if (ftruncate(file, wanted->len)) {
        close(file);
        return -1;
    }
    wanted->fd = file;
    return 0;
}

int ioctl(int file, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (!real)
        real = dlsym(RTLD_NEXT, "ioctl");
    uint32_t what = (uint32_t)request;
    if (file >= 0 && file < MOST_FILES && is_heap[file] && what == (uint32_t)DMA_HEAP_IOCTL_ALLOC)
        return allocate(argument);
    int answer = real(file, request, argument);
    int is_of_a_buffer = _IOC_TYPE(what) == _IOC_TYPE((uint32_t)DMA_BUF_IOCTL_SYNC) && _IOC_NR(what) <= 1;
    /* A memory file is always coherent, and may go without its name. */
    return answer < 0 && is_of_a_buffer && (errno == ENOTTY || errno == EINVAL) ? 0 : answer;
}
