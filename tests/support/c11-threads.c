/* SPDX-License-Identifier: Apache-2.0 */
/* C11 threads by way of POSIX threads, preloaded under the thread sanitizer.
 *
 * The distribution's librdkafka makes its threads and locks with C11's
 * functions, which gcc 12's sanitizer does not know: it crashes in the first
 * thread that it did not see begin. It knows the POSIX ones, and glibc's types
 * are the same, so each call is passed on.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc's mutex");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc's condition");

typedef struct {
    thrd_start_t run;
    void *data;
} Start;

static int
result(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}

static void *
run(void *data)
{
    Start start = *(Start *)data;
    free(data);
    return (void *)(intptr_t)start.run(start.data);
}

int
thrd_create(thrd_t *thread, thrd_start_t function, void *data)
{
    Start *start = malloc(sizeof(*start));
    if (!start)
        return thrd_nomem;
    *start = (Start){function, data};
    return result(pthread_create(thread, NULL, run, start));
}

int
thrd_join(thrd_t thread, int *ret_status)
{
    void *status = NULL;
    int error = pthread_join(thread, &status);
    if (ret_status)
        *ret_status = (int)(intptr_t)status;
    return result(error);
}

int
thrd_detach(thrd_t thread)
{
    return result(pthread_detach(thread));
}

int
mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if (type & mtx_recursive)
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    int error = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result(error);
}

int
mtx_lock(mtx_t *mutex)
{
    return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int
mtx_trylock(mtx_t *mutex)
{
    return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int
mtx_unlock(mtx_t *mutex)
{
    return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void
mtx_destroy(mtx_t *mutex)
{
    pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int
cnd_init(cnd_t *condition)
{
    return result(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int
cnd_signal(cnd_t *condition)
{
    return result(pthread_cond_signal((pthread_cond_t *)condition));
}

int
cnd_broadcast(cnd_t *condition)
{
    return result(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int
cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result(pthread_cond_wait((pthread_cond_t *)condition,
                                    (pthread_mutex_t *)mutex));
}

int
cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *end)
{
    return result(pthread_cond_timedwait((pthread_cond_t *)condition,
                                         (pthread_mutex_t *)mutex, end));
}

void
cnd_destroy(cnd_t *condition)
{
    pthread_cond_destroy((pthread_cond_t *)condition);
}
