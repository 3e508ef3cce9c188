/*
 * A disk that fails on purpose: preloaded into a command (LD_PRELOAD), it counts each call that changes files under one folder, and at a
 * named one kills the process, sends it a signal, or answers with an error.
 *
 *   TWGRPO_FAULT_ROOT    folder that is watched
 *   TWGRPO_FAULT_TRACE   file that gets a line "CALL PATH" for each call, PATH relative to the folder
 *   TWGRPO_FAULT         "ACTION COUNT CALL PATH": what happens at the COUNT-th call of that name and path of a process
 *
 * Actions: kill (SIGKILL to the whole process group, before the call), torn (half of what is written, then kill), term (SIGTERM, then
 * the call), short (half is written, as a disk may), slow (20 ms before each such call from there on), once-E (this call fails with
 * errno E), E (this and every later write fails).
 *
 * Names made at random or of a process (".tmp-host-1-2-abcd-name", ".encoding-abc") are told as ".tmp-name", ".encoding".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { NONE, KILL, TORN, TERM, SHORT, SLOW, FAIL };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *trace, *call_wanted, *path_wanted;
static int action, fails_on, error_number;
static long count_wanted, count_seen;
static int is_failing, is_slow;

static int number_of(const char *name) {
  if (!strcmp(name, "ENOSPC")) return ENOSPC;
  if (!strcmp(name, "EIO")) return EIO;
  if (!strcmp(name, "EROFS")) return EROFS;
  if (!strcmp(name, "EMFILE")) return EMFILE;
  if (!strcmp(name, "EDQUOT")) return EDQUOT;
  if (!strcmp(name, "EACCES")) return EACCES;
  fprintf(stderr, "TWGRPO_FAULT: unknown action %s\n", name);
  abort();
}

__attribute__((constructor)) static void begin(void) {
  root = getenv("TWGRPO_FAULT_ROOT");
  trace = getenv("TWGRPO_FAULT_TRACE");
  char *fault = getenv("TWGRPO_FAULT");
  if (root == NULL || fault == NULL) return;
  char *copy = strdup(fault);
  char *name = strtok(copy, " ");
  count_wanted = atol(strtok(NULL, " "));
  call_wanted = strtok(NULL, " ");
  path_wanted = strtok(NULL, "");
  if (!strcmp(name, "kill")) action = KILL;
  else if (!strcmp(name, "torn")) action = TORN;
  else if (!strcmp(name, "term")) action = TERM;
  else if (!strcmp(name, "short")) action = SHORT;
  else if (!strcmp(name, "slow")) action = SLOW;
  else {
    action = FAIL;
    fails_on = strncmp(name, "once-", 5) != 0;
    error_number = number_of(fails_on ? name : name + 5);
  }
}

/* The path relative to the watched folder with its random parts left out; 0 for a path elsewhere. */
static int told(const char *path, char *out) {
  char whole[PATH_MAX * 2];
  if (root == NULL || path == NULL) return 0;
  if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
  else {
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL) return 0;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
  }
  size_t length = strlen(root);
  if (strncmp(whole, root, length) != 0 || (whole[length] != '/' && whole[length] != 0)) return 0;
  const char *rest = whole[length] == 0 ? "." : whole + length + 1;
  char *to = out;
  while (*rest != 0) {
    const char *end = strchr(rest, '/');
    size_t size = end == NULL ? strlen(rest) : (size_t)(end - rest);
    if (!strncmp(rest, ".tmp-", 5)) {
      /* Four parts more: host, process, start, random. */
      const char *at = rest + 5;
      for (int part = 0; part < 4 && at != NULL && at < rest + size; part++) {
        at = memchr(at, '-', rest + size - at);
        if (at != NULL) at++;
      }
      to += sprintf(to, ".tmp-");
      if (at != NULL) { memcpy(to, at, rest + size - at); to += rest + size - at; }
    } else if (!strncmp(rest, ".encoding-", 10)) to += sprintf(to, ".encoding");
    else if (!strncmp(rest, "events.out.tfevents", 19)) to += sprintf(to, "events");
    else { memcpy(to, rest, size); to += size; }
    rest += size;
    if (*rest == '/') { *to++ = '/'; rest++; }
  }
  *to = 0;
  return 1;
}

static void kill_all(void) {
  kill(0, SIGKILL);
  for (;;) pause();
}

/* What the call shall do: an errno to fail with, 0 to go on, -1 to write half, -2 to write half and die. */
static int at(const char *call, const char *path) {
  char name[PATH_MAX * 2];
  if (!told(path, name)) return 0;
  if (trace != NULL) {
    char line[PATH_MAX * 2 + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", call, name);
    int fd = REAL(open)(trace, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (fd >= 0) { if (REAL(write)(fd, line, length) < 0) abort(); close(fd); }
  }
  if (action == NONE) return 0;
  pthread_mutex_lock(&lock);
  int is_it = !strcmp(call, call_wanted) && !strcmp(name, path_wanted) && ++count_seen == count_wanted;
  int is_write = strcmp(call, "unlink") && strcmp(call, "rmdir");
  int result = 0;
  if (is_it && action == SLOW) is_slow = 1;
  if (is_it && action == FAIL && fails_on) is_failing = 1;
  if ((is_it && action == FAIL) || (is_failing && is_write)) result = error_number;
  if (is_it && action == SHORT) result = -1;
  if (is_it && action == TORN) result = -2;
  pthread_mutex_unlock(&lock);
  if (is_slow) usleep(20000);
  if (is_it && action == KILL) kill_all();
  if (is_it && action == TERM) { kill(getpid(), SIGTERM); usleep(20000); }
  return result;
}

static const char *path_of(int fd, char *buffer) {
  char link[64];
  if (root == NULL) return NULL;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, buffer, PATH_MAX - 1);
  if (size < 0) return NULL;
  buffer[size] = 0;
  return buffer;
}

#define FAIL_OR_GO(result) do { int fault_ = (result); if (fault_ > 0) { errno = fault_; return -1; } } while (0)

#define OPEN(function)                                                                  \
  int function(const char *path, int flags, ...) {                                      \
    va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
    if (flags & (O_CREAT | O_TRUNC)) FAIL_OR_GO(at("open", path));                      \
    return REAL(function)(path, flags, mode);                                           \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t size) {
  char buffer[PATH_MAX];
  int fault = at("write", path_of(fd, buffer));
  FAIL_OR_GO(fault);
  if (fault < 0 && size > 1) {
    ssize_t done = REAL(write)(fd, bytes, size / 2);
    if (fault == -2) kill_all();
    return done;
  }
  if (fault == -2) kill_all();
  return REAL(write)(fd, bytes, size);
}

#define PWRITE(function, offset_type)                                                    \
  ssize_t function(int fd, const void *bytes, size_t size, offset_type offset) {        \
    char buffer[PATH_MAX];                                                              \
    int fault = at("write", path_of(fd, buffer));                                       \
    FAIL_OR_GO(fault);                                                                  \
    if (fault < 0 && size > 1) {                                                        \
      ssize_t done = REAL(function)(fd, bytes, size / 2, offset);                       \
      if (fault == -2) kill_all();                                                      \
      return done;                                                                      \
    }                                                                                   \
    if (fault == -2) kill_all();                                                        \
    return REAL(function)(fd, bytes, size, offset);                                     \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  char buffer[PATH_MAX];
  int fault = at("write", path_of(fd, buffer));
  FAIL_OR_GO(fault);
  if (fault < 0) {
    struct iovec half = { parts[0].iov_base, count > 1 ? parts[0].iov_len : parts[0].iov_len / 2 };
    ssize_t done = REAL(writev)(fd, &half, 1);
    if (fault == -2) kill_all();
    return done;
  }
  return REAL(writev)(fd, parts, count);
}

#define ON_FD(function, name)                                                            \
  int function(int fd) {                                                                \
    char buffer[PATH_MAX];                                                              \
    FAIL_OR_GO(at(name, path_of(fd, buffer)));                                          \
    return REAL(function)(fd);                                                          \
  }
ON_FD(fsync, "fsync")
ON_FD(fdatasync, "fsync")

#define TRUNCATE(function, offset_type)                                                  \
  int function(int fd, offset_type size) {                                              \
    char buffer[PATH_MAX];                                                              \
    FAIL_OR_GO(at("truncate", path_of(fd, buffer)));                                    \
    return REAL(function)(fd, size);                                                    \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
  FAIL_OR_GO(at("rename", to));
  return REAL(rename)(from, to);
}

#define ON_PATH(function, name)                                                          \
  int function(const char *path) {                                                      \
    FAIL_OR_GO(at(name, path));                                                         \
    return REAL(function)(path);                                                        \
  }
ON_PATH(unlink, "unlink")
ON_PATH(rmdir, "rmdir")

int mkdir(const char *path, mode_t mode) {
  FAIL_OR_GO(at("mkdir", path));
  return REAL(mkdir)(path, mode);
}

char *mkdtemp(char *template) {
  int fault = at("mkdir", template);
  if (fault > 0) { errno = fault; return NULL; }
  return REAL(mkdtemp)(template);
}
