/*
 * A time of day that jumps a day ahead, back, and a day behind, every 0.3 s: preloaded into a command (LD_PRELOAD). Clocks that only go
 * forward are left alone, as they are when somebody sets the time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

typedef int (*clock_function)(clockid_t, struct timespec *);

static clock_function real_clock(void) {
  static clock_function real;
  if (real == NULL) real = (clock_function)dlsym(RTLD_NEXT, "clock_gettime");
  return real;
}

static long jump(void) {
  struct timespec now;
  real_clock()(CLOCK_MONOTONIC, &now);
  return ((now.tv_sec * 1000 + now.tv_nsec / 1000000) / 300 % 3 - 1) * 86400;
}

int clock_gettime(clockid_t id, struct timespec *out) {
  int result = real_clock()(id, out);
  if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) out->tv_sec += jump();
  return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
