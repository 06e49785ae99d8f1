/*
 * The server that the benchmarks scan: every loopback address greets as Exchange 5.5 SP3 does.
 *
 *     target [--port PORT] [--slow PERCENT] [--delay MS] [--refusing PERCENT]
 *
 * It listens on 0.0.0.0 and prints its port (0, the default, lets the system choose). Of the addresses,
 * the slow PERCENT greet only MS milliseconds after the connection, and the refusing PERCENT greet with a
 * 554, behind which there is nothing to be asked; which ones they are never changes. EHLO is answered with
 * the list of an Exchange 2003, the longest that is known of old ones; QUIT with a 221, and all else with a
 * 502.
 *
 * It shares the processors with what is measured, so a connection costs it as little as can be: one
 * thread, one level-triggered epoll, no memory of its own but a row in a table indexed by descriptor.
 */
#define MOST_FILES (1 << 20)
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, BACKLOG = 65535, COMMAND = 512, VERB = 4, NOBODY = -1, REST_US = 1000 };

#define SAY(fd, text) send((fd), (text), sizeof(text) - 1, MSG_NOSIGNAL)

static const char GREETING[] =
    "220 mx.example.com ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2650.21) ready\r\n";
static const char REFUSAL[] = "554 5.7.1 No SMTP service here\r\n";

/* KB 153119, later text. */
static const char KEYWORDS[] = "250-mx.example.com Hello [127.0.0.1]\r\n"
                               "250-TURN\r\n"
                               "250-ATRN\r\n"
                               "250-SIZE\r\n"
                               "250-ETRN\r\n"
                               "250-PIPELINING\r\n"
                               "250-DSN\r\n"
                               "250-ENHANCEDSTATUSCODES\r\n"
                               "250-8bitmime\r\n"
                               "250-BINARYMIME\r\n"
                               "250-CHUNKING\r\n"
                               "250-VRFY\r\n"
                               "250-X-EXPS GSSAPI NTLM LOGIN\r\n"
                               "250-X-EXPS=LOGIN\r\n"
                               "250-AUTH GSSAPI NTLM LOGIN\r\n"
                               "250-AUTH=LOGIN\r\n"
                               "250-X-LINK2STATE\r\n"
                               "250-XEXCH50\r\n"
                               "250 OK\r\n";

/* Who still waits for a greeting, oldest first: all wait equally long, so the order is the timer. */
struct waiter {
    int before, after;
    int64_t due;
    int waits;
};

static struct waiter *waiters; /* by descriptor */
static int oldest = NOBODY, newest = NOBODY;
static int listener, events_of;
static int slow_percent, delay = 1000, refusing_percent;

static void must(int holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    exit(1);
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void enqueue(int fd)
{
    waiters[fd] = (struct waiter){.before = newest, .after = NOBODY, .due = milliseconds() + delay, .waits = 1};
    if (newest == NOBODY)
        oldest = fd;
    else
        waiters[newest].after = fd;
    newest = fd;
}

static void dequeue(int fd)
{
    struct waiter *gone = &waiters[fd];

    if (!gone->waits)
        return;
    gone->waits = 0;
    if (gone->before == NOBODY)
        oldest = gone->after;
    else
        waiters[gone->before].after = gone->after;
    if (gone->after == NOBODY)
        newest = gone->before;
    else
        waiters[gone->after].before = gone->before;
}

/* From 0 to 99: where the address that a client connected to stands among all, always the same. */
static int rank(int fd)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    uint32_t mixed;

    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return 0;
    mixed = ntohl(name.sin_addr.s_addr);
    mixed = (mixed ^ mixed >> 15) * UINT32_C(0x2c1b3c6d);
    return (int)((mixed >> 8) % 100);
}

static int is_slow(int fd)
{
    return slow_percent > 0 && rank(fd) < slow_percent;
}

/* From the other end than the slow ones. */
static int is_refusing(int fd)
{
    return refusing_percent > 0 && rank(fd) >= 100 - refusing_percent;
}

static void greet(int fd)
{
    if (is_refusing(fd))
        SAY(fd, REFUSAL);
    else
        SAY(fd, GREETING);
}

static void welcome(int fd)
{
    struct epoll_event wish = {.events = EPOLLIN, .data.fd = fd};

    must(epoll_ctl(events_of, EPOLL_CTL_ADD, fd, &wish) == 0, "epoll_ctl");
    if (is_slow(fd))
        enqueue(fd);
    else
        greet(fd);
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        welcome(fd);
    if (errno == EMFILE || errno == ENFILE)
        usleep(REST_US); /* the listener stays readable: without a rest this would spin */
}

static void answer(int fd)
{
    char command[COMMAND];
    ssize_t length = recv(fd, command, sizeof command, 0);

    if (length < 0 && errno == EAGAIN)
        return;
    if (length >= VERB && strncasecmp(command, "QUIT", VERB) != 0) {
        if (strncasecmp(command, "EHLO", VERB) == 0)
            SAY(fd, KEYWORDS);
        else if (strncasecmp(command, "HELO", VERB) == 0)
            SAY(fd, "250 mx.example.com\r\n");
        else
            SAY(fd, "502 command not implemented\r\n");
        return;
    }
    if (length >= VERB)
        SAY(fd, "221 closing connection\r\n");
    dequeue(fd);
    close(fd); /* leaves the epoll set by itself */
}

static void greet_late_ones(void)
{
    while (oldest != NOBODY && waiters[oldest].due <= milliseconds()) {
        int fd = oldest;

        dequeue(fd);
        greet(fd);
    }
}

static int patience(void)
{
    int64_t left;

    if (oldest == NOBODY)
        return -1;
    left = waiters[oldest].due - milliseconds();
    return left > 0 ? (int)left : 0;
}

static void serve(void)
{
    struct epoll_event ready[EVENTS];

    for (;;) {
        int count = epoll_wait(events_of, ready, EVENTS, patience());

        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == listener)
                accept_all();
            else
                answer(ready[i].data.fd);
        }
        greet_late_ones();
    }
}

static void listen_on(int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event wish = {.events = EPOLLIN};
    socklen_t size = sizeof name;
    int yes = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(listener >= 0, "socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    must(bind(listener, (struct sockaddr *)&name, sizeof name) == 0, "bind");
    must(listen(listener, BACKLOG) == 0, "listen"); /* the system makes it as long as it allows */
    must(getsockname(listener, (struct sockaddr *)&name, &size) == 0, "getsockname");
    events_of = epoll_create1(EPOLL_CLOEXEC);
    wish.data.fd = listener;
    must(epoll_ctl(events_of, EPOLL_CTL_ADD, listener, &wish) == 0, "epoll_ctl");
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"slow", required_argument, NULL, 's'},
        {"delay", required_argument, NULL, 'd'},
        {"refusing", required_argument, NULL, 'r'},
        {0},
    };
    struct rlimit files;
    int option, port = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 's': slow_percent = atoi(optarg); break;
        case 'd': delay = atoi(optarg); break;
        case 'r': refusing_percent = atoi(optarg); break;
        default: return 2;
        }
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* a benchmark that was killed leaves no server behind */
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur > MOST_FILES) { /* some machines allow a billion, and the table has a row for each */
        files.rlim_cur = MOST_FILES;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    waiters = calloc(files.rlim_cur, sizeof *waiters);
    must(waiters != NULL, "calloc");
    listen_on(port);
    serve();
}
