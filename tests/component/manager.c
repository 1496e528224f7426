/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <string.h>
#include <time.h>

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

enum { TIMEOUT_S = 20 };

#ifdef HAVE_SYSTEMD
const bool manager_is_known = true;
#else
const bool manager_is_known = false;
#endif

static void *
read_reports(void *user)
{
    Manager *manager = user;
    char text[1024];
    gssize n;
    while ((n = g_socket_receive(manager->socket, text, sizeof text, NULL,
                                 NULL)) > 0) {
        pthread_mutex_lock(&manager->mutex);
        g_string_append_len(manager->reports, text, n);
        g_string_append_c(manager->reports, '\n');
        pthread_cond_signal(&manager->has_report);
        pthread_mutex_unlock(&manager->mutex);
    }
    return NULL;
}

bool
manager_listen(Manager *manager, const char *directory, const char *watchdog_us)
{
    manager->path = g_build_filename(directory, "notify", NULL);
    manager->socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM, 0, NULL);
    manager->reports = g_string_new(NULL);
    pthread_mutex_init(&manager->mutex, NULL);
    pthread_cond_init(&manager->has_report, NULL);
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new(manager->path);
    g_setenv("NOTIFY_SOCKET", manager->path, TRUE);
    g_setenv("WATCHDOG_USEC", watchdog_us, TRUE);
    return g_socket_bind(manager->socket, address, FALSE, NULL) &&
           pthread_create(&manager->thread, NULL, read_reports, manager) == 0;
}

void
manager_hide(void)
{
    g_unsetenv("NOTIFY_SOCKET");
    g_unsetenv("WATCHDOG_USEC");
}

bool
manager_is_told(Manager *manager, const char *text)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TIMEOUT_S;
    pthread_mutex_lock(&manager->mutex);
    int status = 0;
    while (!strstr(manager->reports->str, text) && !status)
        status = pthread_cond_timedwait(&manager->has_report, &manager->mutex,
                                        &until);
    g_string_truncate(manager->reports, 0);
    pthread_mutex_unlock(&manager->mutex);
    return !status;
}

void
manager_forget(Manager *manager)
{
    pthread_mutex_lock(&manager->mutex);
    g_string_truncate(manager->reports, 0);
    pthread_mutex_unlock(&manager->mutex);
}

/* An empty datagram ends the thread. To shut the socket down is not enough: a
 * datagram socket then has no end of file, and GLib asks it again and again. */
void
manager_clear(Manager *manager)
{
    g_autoptr(GSocketAddress) own = g_unix_socket_address_new(manager->path);
    g_socket_send_to(manager->socket, own, "", 0, NULL, NULL);
    pthread_join(manager->thread, NULL);
    g_clear_object(&manager->socket);
    g_unlink(manager->path);
    g_clear_pointer(&manager->path, g_free);
    g_string_free(manager->reports, TRUE);
    pthread_mutex_destroy(&manager->mutex);
    pthread_cond_destroy(&manager->has_report);
}
