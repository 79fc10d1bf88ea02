/* load.c - the load driver of the benchmark: one thread, epoll, HTTP/1.1 keep-alive, 127.0.0.1 only.
 *
 *   cc -O2 -o load load.c
 *
 * Closed loop: each of N connections sends a request, waits for the whole reply, sends the next.
 *   load --port P --connections 32 --seconds 5 [--same] [--pause-ms 160]
 * Streams: N streams opened within --ramp-ms, each read to its end.
 *   load --port P --stream --connections 500 --chunks 100 [--ramp-ms 1000]
 * Both: [--path /v1/chat/completions] [--model gpt-4o] [--header 'Name: value']... [--timeout-s 30]
 *
 * Every request body differs by a counter, so no response cache can answer; --same sends identical
 * bodies, so that one can. At the end no new request begins, but those under way are waited for: what
 * is counted here was answered, and the gateway's own books can be compared with it.
 * A stream is complete when it had status 200, exactly --chunks content chunks and "data: [DONE]".
 * The upstream stamps every content chunk with the monotonic clock; transit = arrival - stamp.
 * One line of JSON goes to stdout. "requests" counts complete 200 replies only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long long u64;
enum { WAITING, BUSY, OVER };                           /* a connection */
enum { TO_CLOSE, TO_LENGTH, CHUNKED };                  /* how a body is framed */
enum { SIZE, DATA, AFTER_DATA, TRAILER };               /* inside a chunked body */
enum { NONE = -1, CONNECT, STATUS, CLOSED, TIMEOUT, CHUNKS, N_ERRORS };
static const char *error_names[] = { "connect", "status", "closed", "timeout", "chunks" };

typedef struct {
    int fd, phase, writing, in_head, framing, part, reusable, status, seen, done, usage;
    size_t left, sent, head_len, line_len, num_len;
    u64 due, start, last, max_gap;
    char *out, num[32], head[8192], line[8192];
} conn;

/* A histogram of microseconds with 64 steps to each power of two: at most 1.6 % off. */
typedef struct { u64 count, max, bucket[4096]; } hist;
static hist latency, first_chunk, transit, gaps;

static int ep, port = 8080, n_conns = 1, chunks = 100, streaming, same, n_headers, live, is_open, peak;
static double seconds = 5, pause_ms, ramp_ms = 1000, timeout_s = 30;
static const char *path = "/v1/chat/completions", *model = "gpt-4o", *headers[16];
static u64 requests, bytes, got_chunks, with_usage, errors[N_ERRORS], statuses[1000], counter, deadline, next_due;
static char *request, first_bad[300];
static size_t request_len, counter_at, first_bad_len;

static u64 now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000u + (u64)t.tv_nsec / 1000;
}
static void add(hist *h, u64 us) {
    int b = (int)us;
    if (us >= 64) { int e = 63 - __builtin_clzll(us); b = (e - 5) * 64 + (int)((us >> (e - 6)) & 63); }
    h->bucket[b < 4095 ? b : 4095]++; h->count++;
    if (us > h->max) h->max = us;
}
static double quantile(const hist *h, double q) {
    u64 want = (u64)((double)h->count * q), sum = 0;
    if (!h->count) return -1;
    for (int b = 0; b < 4096; b++)
        if ((sum += h->bucket[b]) > want) return (b < 64 ? (double)b : (double)((64ull + b % 64) << (b / 64 - 1))) / 1e3;
    return (double)h->max / 1e3;
}
static void digits(char *p, int n, u64 v) { while (n--) { p[n] = (char)('0' + v % 10); v /= 10; } }

/* ---- the life of a connection ---- */
static void listen_for(conn *c, int op, unsigned events) {
    struct epoll_event e = { .events = events, .data.ptr = c };
    epoll_ctl(ep, op, c->fd, &e);
}
static void hang_up(conn *c) { if (c->fd >= 0) { close(c->fd); c->fd = -1; is_open--; } }
static void wait_until(conn *c, u64 due) { c->phase = WAITING; c->due = due; if (due < next_due) next_due = due; }
static void begin(conn *c, u64 now);

/* A request has ended, well or with an error; what follows depends on the mode. */
static void over(conn *c, int error) {
    u64 now = now_us();
    if (error == NONE) { requests++; add(&latency, now - c->start); if (c->usage) with_usage++; if (streaming) add(&gaps, c->max_gap); }
    else errors[error]++;
    if (error != NONE && error != STATUS) c->reusable = 0;
    if (!c->reusable || streaming) hang_up(c);
    if (streaming || now >= deadline) { c->phase = OVER; live--; hang_up(c); return; }
    if (error != NONE) wait_until(c, now + 10000);      /* a gateway that refuses must not be hammered */
    else if (pause_ms > 0) wait_until(c, now + (u64)(pause_ms * 1000 * (0.5 + (double)rand() / RAND_MAX)));
    else begin(c, now);
}
static void push(conn *c) {
    ssize_t w = send(c->fd, c->out + c->sent, request_len - c->sent, MSG_NOSIGNAL);
    if (w < 0 && errno != EAGAIN) { over(c, c->sent ? CLOSED : CONNECT); return; }
    if (w > 0) c->sent += (size_t)w;
    int unsent = c->sent < request_len;
    if (unsent != c->writing) { c->writing = unsent; listen_for(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP | (unsent ? EPOLLOUT : 0)); }
}
static void begin(conn *c, u64 now) {
    c->phase = BUSY; c->in_head = 1; c->part = SIZE; c->framing = TO_CLOSE;
    c->status = c->seen = c->done = c->usage = 0;
    c->left = c->sent = c->head_len = c->line_len = c->num_len = 0;
    c->start = now; c->last = c->max_gap = 0;
    if (!same) digits(c->out + counter_at, 10, ++counter);
    if (c->fd >= 0) { push(c); return; }
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) < 0) { over(c, CONNECT); return; }
    if (++is_open > peak) peak = is_open;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) && errno != EINPROGRESS) { over(c, CONNECT); return; }
    c->writing = 1;
    listen_for(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

/* ---- reading replies ---- */
static void on_line(conn *c, u64 now) {                 /* one line of an event stream */
    char *l = c->line, *end = l + c->line_len, *p;
    if (c->line_len < 5 || memcmp(l, "data:", 5)) return;
    if (memmem(l, c->line_len, "[DONE]", 6)) { c->done = 1; return; }
    if ((p = memmem(l, c->line_len, "\"content\":", 10))) {
        for (p += 10; p < end && *p == ' '; p++) ;
        if (end - p >= 18 && p[0] == '"' && p[1] == 't') {
            u64 sent = strtoull(p + 2, NULL, 10);
            add(&transit, now > sent ? now - sent : 0);
            if (!c->seen++) add(&first_chunk, now - c->start);
            else if (now - c->last > c->max_gap) c->max_gap = now - c->last;
            c->last = now; got_chunks++;
        }
    }
    if ((p = memmem(l, c->line_len, "\"usage\":", 8))) {
        for (p += 8; p < end && *p == ' '; p++) ;
        if (p < end && *p == '{') c->usage = 1;
    }
}
static void on_body(conn *c, const char *p, size_t n, u64 now) {
    if (c->status != 200) {
        if (n > sizeof first_bad - 1 - first_bad_len) n = sizeof first_bad - 1 - first_bad_len;
        memcpy(first_bad + first_bad_len, p, n); first_bad_len += n;
        return;
    }
    while (streaming && n) {
        const char *nl = memchr(p, '\n', n);
        size_t k = nl ? (size_t)(nl - p) : n, room = sizeof c->line - 1 - c->line_len, keep = k < room ? k : room;
        memcpy(c->line + c->line_len, p, keep);
        c->line_len += keep; c->line[c->line_len] = 0;
        if (!nl) return;
        on_line(c, now);
        c->line_len = 0; n -= k + 1; p += k + 1;
    }
}
static void body_ended(conn *c) {
    if (c->status != 200) { statuses[c->status > 0 && c->status < 1000 ? c->status : 0]++; over(c, STATUS); }
    else if (streaming && c->seen != chunks) over(c, CHUNKS);
    else if (streaming && !c->done) over(c, CLOSED);
    else over(c, NONE);
}
/* Takes the head; returns how many of the n bytes belonged to it, or 0 while it is not whole. */
static size_t on_head(conn *c, const char *p, size_t n) {
    size_t before = c->head_len, k = sizeof c->head - 1 - before < n ? sizeof c->head - 1 - before : n;
    memcpy(c->head + before, p, k); c->head_len += k; c->head[c->head_len] = 0;
    char *v, *end = strstr(c->head, "\r\n\r\n");
    if (!end) { if (c->head_len == sizeof c->head - 1) over(c, CLOSED); return 0; }
    end[2] = 0;
    c->in_head = 0;
    c->status = c->head_len > 12 ? atoi(c->head + 9) : 0;
    v = strcasestr(c->head, "\nconnection:");
    c->reusable = !strncmp(c->head, "HTTP/1.1", 8) && !(v && !strncasecmp(v + 12 + strspn(v + 12, " "), "close", 5));
    if ((v = strcasestr(c->head, "\ntransfer-encoding:")) && !strncasecmp(v + 19 + strspn(v + 19, " "), "chunked", 7)) c->framing = CHUNKED;
    else if ((v = strcasestr(c->head, "\ncontent-length:"))) { c->framing = TO_LENGTH; c->left = strtoul(v + 16, NULL, 10); }
    else c->reusable = 0;
    return (size_t)(end + 4 - c->head) - before;
}
static void on_chunked(conn *c, const char *p, size_t n, u64 now) {
    while (n) {
        if (c->part == DATA) {
            size_t k = n < c->left ? n : c->left;
            on_body(c, p, k, now);
            p += k; n -= k;
            if (!(c->left -= k)) { c->part = AFTER_DATA; c->left = 2; }
        } else if (c->part == AFTER_DATA) { p++; n--; if (!--c->left) c->part = SIZE; }
        else {                                          /* a size line, or the lines after the last chunk */
            char ch = *p++;
            n--;
            if (ch != '\n') { if (ch != '\r' && c->num_len < sizeof c->num - 1) c->num[c->num_len++] = ch; continue; }
            c->num[c->num_len] = 0;
            size_t was = c->num_len;
            c->num_len = 0;
            if (c->part == TRAILER) { if (!was) { body_ended(c); return; } continue; }
            c->left = strtoul(c->num, NULL, 16);
            c->part = c->left ? DATA : TRAILER;
        }
    }
}
static void on_bytes(conn *c, const char *p, size_t n) {
    u64 now = now_us();
    bytes += n;
    if (c->in_head) {
        size_t used = on_head(c, p, n);
        if (!used) return;
        p += used; n -= used;
    }
    if (c->framing == CHUNKED) { on_chunked(c, p, n, now); return; }
    if (c->framing == TO_CLOSE) { on_body(c, p, n, now); return; }
    size_t k = n < c->left ? n : c->left;
    on_body(c, p, k, now);
    if (!(c->left -= k)) body_ended(c);
}
static void on_event(conn *c, unsigned events) {
    static char buf[1 << 16];
    if (c->fd < 0) return;
    if (c->phase != BUSY) { hang_up(c); return; }       /* the gateway has closed a connection at rest */
    if (c->writing && (events & EPOLLOUT)) { push(c); return; }     /* a reply shows in the next round */
    ssize_t r = recv(c->fd, buf, sizeof buf, 0);
    if (r > 0) on_bytes(c, buf, (size_t)r);
    else if (r < 0 && errno == EAGAIN) return;
    else if (c->in_head) over(c, r < 0 && !c->sent ? CONNECT : CLOSED);
    else if (c->framing == TO_CLOSE) body_ended(c);
    else over(c, CLOSED);
}

/* Starts what is due, ends what has taken too long; at least ten times a second. */
static void look_round(conn *all, u64 now) {
    next_due = now + 100000;
    for (conn *c = all; c < all + n_conns; c++) {
        if (c->phase == WAITING) {
            if (!streaming && now >= deadline) { c->phase = OVER; live--; hang_up(c); }
            else if (c->due <= now) begin(c, now);
            else if (c->due < next_due) next_due = c->due;
        } else if (c->phase == BUSY && now - c->start > (u64)(timeout_s * 1e6) && now > c->start) over(c, TIMEOUT);
    }
}

/* ---- settings and the report ---- */
static void compose(void) {
    char *body, *names = strdup("");
    const char *stream = "\"stream\":true,\"stream_options\":{\"include_usage\":true},";
    int body_len = asprintf(&body,
        "{\"model\":\"%s\",%s\"temperature\":0.7,\"max_tokens\":%d,\"messages\":["
        "{\"role\":\"system\",\"content\":\"You are a helpful assistant that answers briefly and to the point.\"},"
        "{\"role\":\"user\",\"content\":\"Which proxy adds the least, and why does it matter? Request %016llu-0000000000.\"}]}",
        model, streaming ? stream : "", streaming ? chunks : 256, same ? 0 : now_us());
    for (int i = 0; i < n_headers; i++) {
        char *more;
        if (asprintf(&more, "%s%s\r\n", names, headers[i]) < 0) exit(1);
        free(names); names = more;
    }
    int n = asprintf(&request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
                     path, port, names, body_len, body);
    if (n < 0 || body_len < 0) exit(1);
    request_len = (size_t)n;
    counter_at = request_len - strlen("0000000000.\"}]}");
    free(names); free(body);
}
static void print_quantiles(const char *prefix, const hist *h) {
    printf(",\"%sp50_ms\":%.3f,\"%sp90_ms\":%.3f,\"%sp99_ms\":%.3f,\"%smax_ms\":%.3f", prefix, quantile(h, .5), prefix,
           quantile(h, .9), prefix, quantile(h, .99), prefix, h->count ? (double)h->max / 1e3 : -1);
}
static void report(double wall_s) {
    const char *comma = "";
    printf("{\"requests\":%llu,\"wall_s\":%.3f", requests, wall_s);
    print_quantiles("", &latency);
    if (streaming) {
        printf(",\"asked\":%d,\"chunks\":%llu,\"with_usage\":%llu,\"peak_open\":%d", n_conns, got_chunks, with_usage, peak);
        print_quantiles("first_chunk_", &first_chunk);
        print_quantiles("transit_", &transit);
        print_quantiles("gap_", &gaps);
    }
    printf(",\"errors\":{");
    for (int i = 0; i < N_ERRORS; i++) printf("%s\"%s\":%llu", i ? "," : "", error_names[i], errors[i]);
    printf("},\"statuses\":{");
    for (int i = 0; i < 1000; i++) if (statuses[i]) { printf("%s\"%d\":%llu", comma, i, statuses[i]); comma = ","; }
    printf("},\"bytes\":%llu,\"first_bad\":\"", bytes);
    for (char *s = first_bad; *s; s++) {                /* the start of the first refusals, as plain ASCII */
        if (*s == '"' || *s == '\\') putchar('\\');
        putchar(*s < ' ' || *s > '~' ? ' ' : *s);
    }
    puts("\"}");
}
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *k = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(k, "--same")) { same = 1; continue; }
        if (!strcmp(k, "--stream")) { streaming = 1; continue; }
        if (!strcmp(k, "--port")) port = atoi(v);
        else if (!strcmp(k, "--path")) path = v;
        else if (!strcmp(k, "--model")) model = v;
        else if (!strcmp(k, "--header") && n_headers < 16) headers[n_headers++] = v;
        else if (!strcmp(k, "--connections")) n_conns = atoi(v);
        else if (!strcmp(k, "--seconds")) seconds = atof(v);
        else if (!strcmp(k, "--pause-ms")) pause_ms = atof(v);
        else if (!strcmp(k, "--chunks")) chunks = atoi(v);
        else if (!strcmp(k, "--ramp-ms")) ramp_ms = atof(v);
        else if (!strcmp(k, "--timeout-s")) timeout_s = atof(v);
        else { fprintf(stderr, "load: unknown option %s\n", k); return 2; }
        i++;
    }
    if (n_conns < 1) { fprintf(stderr, "load: --connections must be at least 1\n"); return 2; }
    prctl(PR_SET_PDEATHSIG, SIGTERM);                   /* nothing is left running when the benchmark dies */
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
    compose();
    conn *all = calloc((size_t)n_conns, sizeof *all);
    u64 t0 = now_us();
    deadline = t0 + (u64)(seconds * 1e6);
    ep = epoll_create1(0);
    for (int i = 0; i < n_conns; i++) {
        all[i].fd = -1; all[i].out = malloc(request_len);
        memcpy(all[i].out, request, request_len);
        wait_until(&all[i], t0 + (streaming ? (u64)(ramp_ms * 1000 * i / n_conns) : 0));
    }
    for (live = n_conns, next_due = t0; live > 0; ) {
        struct epoll_event ev[256];
        u64 now = now_us();
        if (now >= next_due) { look_round(all, now); continue; }
        int n = epoll_wait(ep, ev, 256, (int)((next_due - now + 999) / 1000));
        for (int i = 0; i < n; i++) on_event(ev[i].data.ptr, ev[i].events);
    }
    report((double)(now_us() - t0) / 1e6);
    return 0;
}
