/*
 * A layer below SQLite that records what the daemon does to its files, and fails what it is told to fail.
 *
 * It is preloaded (LD_PRELOAD) and stands in front of the C library's calls on the files whose names begin with
 * STORAGE_SHIM_FILE, and on the folder that they lie in. What is done to other files passes by.
 *
 *   STORAGE_SHIM_FILE     the data file's path
 *   STORAGE_SHIM_CONTROL  a file of `struct control`, shared with the test, which may change it at any time
 *   STORAGE_SHIM_LOG      where calls are recorded, each once it has returned: `struct record`, path, data
 *
 * One lock is held from the beginning of a call to the end of its record, so that records stand in the order in
 * which their calls were made. What happens to -shm can be failed, but is not recorded: SQLite rebuilds it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum call { OPEN = 1, WRITE = 2, SYNC = 4, TRUNCATE = 8, RENAME = 16, UNLINK = 32, ALLOCATE = 64 };
enum file { DATA = 1, WAL = 2, SHM = 4, LOCK = 8, DRAFT = 16, FOLDER = 32 };

/* Laid out as in shim.rs. */
struct control {
    uint32_t calls;       /* which calls are counted */
    uint32_t files;       /* of which files */
    int32_t error;        /* the errno of those that fail */
    uint32_t short_bytes; /* if not 0, the first write that fails writes so much before, and the next one fails */
    uint64_t first;       /* the first to fail; the first call is 1 */
    uint64_t failing;     /* how many fail */
    uint64_t counted;     /* how many there were */
    uint64_t failed;      /* how many failed */
    uint32_t swallow;     /* syncs do nothing, and return that all is well */
    uint32_t padding;
};

struct record {
    uint32_t call;
    uint32_t file;
    uint64_t inode;
    uint64_t offset;
    uint64_t begin_ns;
    uint32_t path_length;
    uint32_t data_length;
};

enum { FDS = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile struct control *control;
static const char *prefix;
static char folder[4096];
static int log_fd = -1;
static struct { uint32_t file; uint64_t inode; } known[FDS];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint32_t file_of(const char *path) {
    if (!prefix || !path) return 0;
    if (strcmp(path, folder) == 0) return FOLDER;
    size_t length = strlen(prefix);
    if (strncmp(path, prefix, length) != 0) return 0;
    const char *suffix = path + length;
    if (!*suffix) return DATA;
    if (strcmp(suffix, "-wal") == 0) return WAL;
    if (strcmp(suffix, "-shm") == 0) return SHM;
    if (strcmp(suffix, "-lock") == 0) return LOCK;
    return *suffix == '-' ? DRAFT : 0;
}

static uint32_t file_at(int fd) {
    return fd >= 0 && fd < FDS ? known[fd].file : 0;
}

static void put(const void *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = syscall(SYS_write, log_fd, bytes, length);
        if (written <= 0) abort();
        bytes = (const char *)bytes + written;
        length -= (size_t)written;
    }
}

static void record(enum call call, uint32_t file, uint64_t inode, uint64_t offset, uint64_t begin_ns,
                   const char *path, const void *data, size_t length) {
    if (log_fd < 0 || file == SHM) return;
    int before = errno;
    struct record record = { call, file, inode, offset, begin_ns, path ? strlen(path) : 0, length };
    put(&record, sizeof record);
    if (path) put(path, record.path_length);
    if (length) put(data, length);
    errno = before;
}

__attribute__((constructor)) static void start(void) {
    const char *shared = getenv("STORAGE_SHIM_CONTROL"), *log = getenv("STORAGE_SHIM_LOG");
    prefix = getenv("STORAGE_SHIM_FILE");
    if (!prefix || !shared) return;
    strncpy(folder, prefix, sizeof folder - 1);
    *strrchr(folder, '/') = 0;
    int fd = syscall(SYS_openat, AT_FDCWD, shared, O_RDWR | O_CLOEXEC);
    void *mapped = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    control = mapped;
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (log && log_fd < 0) abort();
}

enum verdict { PASS, CUT_SHORT, FAIL };

/* Counts a call, and says what is to become of it. */
static enum verdict judge(enum call call, uint32_t file) {
    if (!control || !(control->calls & call) || !(control->files & file)) return PASS;
    uint64_t at = ++control->counted, first = control->first;
    if (first == 0 || at < first || at - first >= control->failing) return PASS;
    control->failed++;
    if (at == first && call == WRITE && control->short_bytes) return CUT_SHORT;
    errno = control->error;
    return FAIL;
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
    uint32_t file = file_of(path);
    if (!file) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    int fd = -1;
    uint64_t begin_ns = now_ns();
    if (judge(OPEN, file) == PASS) {
        struct stat before, after;
        int is_new = (flags & O_CREAT) && fstatat(at, path, &before, 0) != 0;
        fd = syscall(SYS_openat, at, path, flags, mode);
        if (fd >= 0 && fd < FDS && fstat(fd, &after) == 0) {
            known[fd].file = file;
            known[fd].inode = after.st_ino;
            if (is_new) record(OPEN, file, after.st_ino, 0, begin_ns, path, 0, 0);
            else if (flags & O_TRUNC) record(TRUNCATE, file, after.st_ino, 0, begin_ns, 0, 0, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list list) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
}

#define OPENER(name)                                    \
    int name(const char *path, int flags, ...) {        \
        va_list list;                                   \
        va_start(list, flags);                          \
        mode_t mode = mode_of(flags, list);             \
        va_end(list);                                   \
        return do_open(AT_FDCWD, path, flags, mode);    \
    }
OPENER(open)
OPENER(open64)

#define OPENER_AT(name)                                     \
    int name(int at, const char *path, int flags, ...) {    \
        va_list list;                                       \
        va_start(list, flags);                              \
        mode_t mode = mode_of(flags, list);                 \
        va_end(list);                                       \
        return do_open(at, path, flags, mode);              \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

int close(int fd) {
    if (fd >= 0 && fd < FDS && known[fd].file) {
        pthread_mutex_lock(&lock);
        known[fd].file = 0;
        pthread_mutex_unlock(&lock);
    }
    return syscall(SYS_close, fd);
}

static ssize_t do_write(int fd, const void *data, size_t length, off_t offset, int is_at) {
    uint32_t file = file_at(fd);
    if (!file) {
        return is_at ? syscall(SYS_pwrite64, fd, data, length, offset) : syscall(SYS_write, fd, data, length);
    }
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    uint64_t begin_ns = now_ns();
    enum verdict verdict = judge(WRITE, file);
    if (verdict != FAIL) {
        if (verdict == CUT_SHORT && length > control->short_bytes) length = control->short_bytes;
        if (!is_at) offset = lseek(fd, 0, SEEK_CUR);
        written = syscall(SYS_pwrite64, fd, data, length, offset);
        if (written > 0 && !is_at) lseek(fd, written, SEEK_CUR);
        if (written > 0) record(WRITE, file, known[fd].inode, offset, begin_ns, 0, data, written);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *data, size_t length) { return do_write(fd, data, length, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return do_write(fd, data, length, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) { return do_write(fd, data, length, offset, 1); }

static int do_sync(int fd, long call) {
    uint32_t file = file_at(fd);
    if (!file) return syscall(call, fd);
    pthread_mutex_lock(&lock);
    int result = -1;
    uint64_t begin_ns = now_ns();
    if (judge(SYNC, file) == PASS) {
        if (control && control->swallow) {
            result = 0;
        } else {
            result = syscall(call, fd);
            if (result == 0) record(SYNC, file, known[fd].inode, 0, begin_ns, 0, 0, 0);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }

static int do_truncate(int fd, off_t length) {
    uint32_t file = file_at(fd);
    if (!file) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int result = -1;
    uint64_t begin_ns = now_ns();
    if (judge(TRUNCATE, file) == PASS) {
        result = syscall(SYS_ftruncate, fd, length);
        if (result == 0) record(TRUNCATE, file, known[fd].inode, length, begin_ns, 0, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return do_truncate(fd, length); }
int ftruncate64(int fd, off_t length) { return do_truncate(fd, length); }

/* Nobody calls it on these files today; should somebody, the model would miss it. */
int fallocate(int fd, int mode, off_t offset, off_t length) {
    uint32_t file = file_at(fd);
    if (file && log_fd >= 0 && file != SHM) abort();
    if (file && judge(ALLOCATE, file) == FAIL) return -1;
    return syscall(SYS_fallocate, fd, mode, offset, length);
}

int rename(const char *from, const char *to) {
    uint32_t file = file_of(to);
    if (!file) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    int result = -1;
    uint64_t begin_ns = now_ns();
    if (judge(RENAME, file) == PASS) {
        struct stat moved;
        if (stat(from, &moved) != 0) memset(&moved, 0, sizeof moved);
        result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
        if (result == 0) record(RENAME, file, moved.st_ino, 0, begin_ns, from, to, strlen(to));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    uint32_t file = file_of(path);
    if (!file) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&lock);
    int result = -1;
    uint64_t begin_ns = now_ns();
    if (judge(UNLINK, file) == PASS) {
        struct stat removed;
        if (stat(path, &removed) != 0) memset(&removed, 0, sizeof removed);
        result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        if (result == 0) record(UNLINK, file, removed.st_ino, 0, begin_ns, path, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    return result;
}
