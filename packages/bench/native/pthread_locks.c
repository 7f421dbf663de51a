/*
 * The yardstick: uncontended lock and unlock pairs of the C library on this machine, in nanoseconds, as one line of JSON.
 * A second thread exists and sleeps, because the C library skips atomic instructions in a process with one thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 15

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *sleeper(void *unused) {
  pause();
  return unused;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void read_pair(void) {
  pthread_rwlock_rdlock(&rwlock);
  pthread_rwlock_unlock(&rwlock);
}

static void write_pair(void) {
  pthread_rwlock_wrlock(&rwlock);
  pthread_rwlock_unlock(&rwlock);
}

static void mutex_pair(void) {
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
}

static double median_of(void (*pair)(void), long rounds) {
  double taken[BATCHES];
  for (int batch = 0; batch < BATCHES; batch++) {
    double before = now_ns();
    for (long i = 0; i < rounds; i++) pair();
    taken[batch] = (now_ns() - before) / rounds;
  }
  qsort(taken, BATCHES, sizeof taken[0], by_value);
  return taken[BATCHES / 2];
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 200000;
  pthread_t thread;
  if (pthread_create(&thread, NULL, sleeper, NULL) != 0) return 1;
  printf("{\"read\":%.2f,\"write\":%.2f,\"mutex\":%.2f}\n", median_of(read_pair, rounds), median_of(write_pair, rounds),
         median_of(mutex_pair, rounds));
  return 0;
}
