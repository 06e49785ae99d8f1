/*
 * The measure of all scanners here: as little as reading greetings over connect() can cost.
 *
 *     reference [--port PORT] [--in-flight COUNT] [--timeout MS] [--quit] NETWORK/BITS
 *
 * A target costs five system calls: socket, connect, epoll_ctl, recv, close; with --quit two more, to
 * send QUIT and to read the answer. A socket is registered once, while it connects, and only for
 * EPOLLIN: a refusal is reported as an error anyway, so the moment of connection need not be asked for.
 * Prints what became of the targets as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Started at once no more than this, so that answers are read in between. */
enum { EVENTS = 512, STARTS = 512, LINE = 512, SPARE_FILES = 16 };

enum outcome { SUCCESS, REFUSED, TIMEOUT, ERROR, OUTCOMES };

/* One conversation. Rows in use form a ring in the order of their start; the head of the ring is row 0.
 * As all have the same time, that order is the timer. */
struct probe {
    struct probe *older, *newer; /* of a free row, `newer` is the next free one */
    int64_t due;
    int fd;
    uint16_t length;
    uint8_t said_goodbye;
    char line[LINE];
};

static struct probe *ring, *unused;
static uint32_t next_address, targets, begun, running;
static long outcomes[OUTCOMES];
static int events_of, port = 25, in_flight = 1024, timeout = 5000, quits;

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static struct probe *take(void)
{
    struct probe *probe = unused;

    unused = probe->newer;
    probe->older = ring->older;
    probe->newer = ring;
    probe->older->newer = probe->newer->older = probe;
    probe->length = probe->said_goodbye = 0;
    running++;
    return probe;
}

static void done(struct probe *probe)
{
    close(probe->fd); /* leaves the epoll set by itself */
    probe->fd = -1;
    probe->older->newer = probe->newer;
    probe->newer->older = probe->older;
    probe->newer = unused;
    unused = probe;
    running--;
}

static enum outcome failure(void)
{
    return errno == ECONNREFUSED ? REFUSED : errno == ETIMEDOUT ? TIMEOUT : ERROR;
}

static void end(struct probe *probe, enum outcome outcome)
{
    if (!probe->said_goodbye) /* otherwise it is counted already */
        outcomes[outcome]++;
    done(probe);
}

static void begin(int64_t now)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct probe *probe = take();
    struct epoll_event wish = {.events = EPOLLIN | EPOLLET, .data.ptr = probe};

    name.sin_addr.s_addr = htonl(next_address++);
    begun++;
    probe->due = now + timeout;
    probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0)
        end(probe, ERROR);
    else if (connect(probe->fd, (struct sockaddr *)&name, sizeof name) < 0 && errno != EINPROGRESS)
        end(probe, failure());
    else if (epoll_ctl(events_of, EPOLL_CTL_ADD, probe->fd, &wish) < 0)
        end(probe, ERROR);
}

/* Count a greeting, and part from the server as politely as was asked for. */
static void greeted(struct probe *probe)
{
    outcomes[SUCCESS]++;
    probe->said_goodbye = 1;
    if (!quits || send(probe->fd, "QUIT\r\n", 6, MSG_NOSIGNAL) != 6)
        done(probe);
}

static void hear(struct probe *probe)
{
    char *fresh = probe->line + probe->length;
    ssize_t length = recv(probe->fd, fresh, (size_t)(LINE - probe->length), 0);

    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0 || probe->said_goodbye) {
        end(probe, length < 0 ? failure() : ERROR);
        return;
    }
    probe->length += (uint16_t)length;
    if (memchr(fresh, '\n', (size_t)length)) {
        probe->length = 0;
        greeted(probe);
    } else if (probe->length == LINE) {
        end(probe, ERROR);
    }
}

static void begin_some(void)
{
    int64_t now = milliseconds();

    for (int i = 0; i < STARTS && unused && begun < targets; i++)
        begin(now);
}

static int patience(void)
{
    int64_t left;

    if (unused && begun < targets)
        return 0;
    left = ring->newer->due - milliseconds();
    return left > 0 ? (int)left : 0;
}

static void hear_all(void)
{
    struct epoll_event ready[EVENTS];
    int count = epoll_wait(events_of, ready, EVENTS, patience());

    for (int i = 0; i < count; i++)
        hear(ready[i].data.ptr);
}

/* After what came in was read: our own delay must not become somebody's timeout. */
static void expire(void)
{
    int64_t now = milliseconds();

    while (ring->newer != ring && ring->newer->due <= now)
        end(ring->newer, TIMEOUT);
}

static int prepare(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    if (in_flight < 1 || (rlim_t)in_flight + SPARE_FILES > files.rlim_cur) {
        fprintf(stderr, "reference: %d in flight need more open files\n", in_flight);
        return 0;
    }
    events_of = epoll_create1(EPOLL_CLOEXEC);
    ring = calloc((size_t)in_flight + 1, sizeof *ring);
    if (events_of < 0 || !ring)
        return 0;
    ring->older = ring->newer = ring;
    for (int row = in_flight; row > 0; row--) {
        ring[row].newer = unused;
        unused = &ring[row];
    }
    return 1;
}

static int read_network(char *text)
{
    struct in_addr first;
    char *slash = strchr(text, '/');
    int bits = slash ? atoi(slash + 1) : 32;

    if (slash)
        *slash = '\0';
    if (bits < 1 || bits > 32 || !inet_aton(text, &first))
        return 0;
    next_address = ntohl(first.s_addr);
    targets = UINT32_C(1) << (32 - bits);
    return 1;
}

static int read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"in-flight", required_argument, NULL, 'n'},
        {"timeout", required_argument, NULL, 't'},
        {"quit", no_argument, &quits, 1},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 0: break;
        case 'p': port = atoi(optarg); break;
        case 'n': in_flight = atoi(optarg); break;
        case 't': timeout = atoi(optarg); break;
        default: return 0;
        }
    }
    return optind + 1 == argc && read_network(argv[optind]);
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv) || !prepare())
        return 2;
    while (begun < targets || running > 0) {
        begin_some();
        if (running > 0)
            hear_all();
        expire();
    }
    printf("{\"targets\": %u, \"success\": %ld, \"refused\": %ld, \"timeouts\": %ld, \"errors\": %ld}\n", targets,
           outcomes[SUCCESS], outcomes[REFUSED], outcomes[TIMEOUT], outcomes[ERROR]);
    return 0;
}
