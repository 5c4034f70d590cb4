/* Preloaded into a process: makes the n-th write or sync of a spool's file fail, and keeps a record of what was written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct control { int64_t armed, nth, error, forever, count, tripped; };

static struct control *control;
static int trace = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t), (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    const char *path = getenv("FAULT_CONTROL");
    if (path) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED) abort();
        control = page;
        close(fd);
    }
    path = getenv("FAULT_TRACE");
    if (path && (trace = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0) abort();
}

static const char *ours(const char *path) {
    const char *name = strrchr(path, '/');
    if (!name) return NULL;
    name++;
    if (strncmp(name, "spool.sqlite", 12) && strcmp(name, "spool.mark") && strcmp(name, "acks")) return NULL;
    return strstr(name, "-shm") ? NULL : name;
}

static const char *name_of(int fd, char *room, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, room, size - 1);
    if (length <= 0) return NULL;
    room[length] = 0;
    return ours(room);
}

static int strikes(const char *name) {
    if (!control || !control->armed || !strcmp(name, "acks")) return 0;
    int64_t count = __sync_add_and_fetch(&control->count, 1);
    if (count != control->nth && !(control->forever && count > control->nth)) return 0;
    control->tripped++;
    errno = (int)control->error;
    return 1;
}

static void record(char op, const char *name, int64_t offset, int64_t length, const void *data) {
    if (trace < 0) return;
    int64_t numbers[3] = {(int64_t)strlen(name), offset, length};
    pthread_mutex_lock(&turn);
    real_write(trace, &op, 1);
    real_write(trace, numbers, sizeof numbers);
    real_write(trace, name, strlen(name));
    if (data) real_write(trace, data, (size_t)length);
    pthread_mutex_unlock(&turn);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
    char room[4096];
    const char *name = name_of(fd, room, sizeof room);
    if (name && strikes(name)) return -1;
    ssize_t done = real_pwrite(fd, data, size, offset);
    if (name && done > 0) record('w', name, offset, done, data);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    char room[4096];
    const char *name = fd > 2 ? name_of(fd, room, sizeof room) : NULL;
    if (name && strikes(name)) return -1;
    off_t offset = name ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = real_write(fd, data, size);
    if (name && done > 0) record('w', name, offset, done, data);
    return done;
}

static int sync_of(int fd, int (*real)(int)) {
    char room[4096];
    const char *name = name_of(fd, room, sizeof room);
    if (name && strikes(name)) return -1;
    int done = real(fd);
    if (name && !done) record('s', name, 0, 0, NULL);
    return done;
}

int fsync(int fd) { return sync_of(fd, real_fsync); }
int fdatasync(int fd) { return sync_of(fd, real_fdatasync); }

int ftruncate64(int fd, off_t size) {
    char room[4096];
    const char *name = name_of(fd, room, sizeof room);
    if (name && strikes(name)) return -1;
    int done = real_ftruncate(fd, size);
    if (name && !done) record('t', name, size, 0, NULL);
    return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int unlink(const char *path) {
    const char *name = ours(path);
    int done = real_unlink(path);
    if (name && !done) record('d', name, 0, 0, NULL);
    return done;
}
