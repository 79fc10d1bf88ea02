/* upstream.c - a very cheap fake of an OpenAI-compatible API: one thread, epoll, 127.0.0.1 only.
 *
 *   cc -O2 -o upstream upstream.c
 *   upstream --port 9100 [--delay-ms 0] [--chunks 100] [--interval-ms 20]
 *
 *   POST .../chat/completions   one JSON answer, or an event stream where the body says "stream": true
 *   GET  .../models             one model
 *   GET  /stats                 counters as JSON: what really arrived here
 *
 * "max_tokens" in the body sets the number of content chunks of a stream. Each content chunk carries
 * the monotonic clock in microseconds at which it was sent ("t" and 16 digits), so a driver on the
 * same machine can tell how long it took through a gateway.
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
enum { IDLE, WAITING, STREAMING };

typedef struct conn {
    int fd, state, keep_alive, usage, left, sent_head, dead, writing;
    int at;                             /* index in the heap of timers, -1 when not in it */
    u64 due;
    char *in, *out;
    size_t in_len, in_cap, out_len, out_cap;
    struct conn *next_dead;
} conn;

static int ep, default_chunks = 100;
static u64 delay_us, interval_us = 20000;
static u64 n_conns, n_chat, n_streams, n_done, n_aborted, n_chunks, n_bad, n_active, n_peak;
static conn *graveyard;                 /* freed once no event of this round can name them */

static u64 now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000u + (u64)t.tv_nsec / 1000;
}
static void *grown(void *p, size_t n) {
    if (!(p = realloc(p, n))) { perror("upstream"); exit(1); }
    return p;
}

/* ---- timers: a binary heap by due time ---- */
static conn **heap;
static int heap_n, heap_cap;

static void place(int i, conn *c) { heap[i] = c; c->at = i; }
static void sift_up(int i) {
    conn *c = heap[i];
    for (; i && heap[(i - 1) / 2]->due > c->due; i = (i - 1) / 2) place(i, heap[(i - 1) / 2]);
    place(i, c);
}
static void sift_down(int i) {
    conn *c = heap[i];
    for (int k; (k = 2 * i + 1) < heap_n; i = k) {
        if (k + 1 < heap_n && heap[k + 1]->due < heap[k]->due) k++;
        if (heap[k]->due >= c->due) break;
        place(i, heap[k]);
    }
    place(i, c);
}
static void timer_add(conn *c, u64 due) {
    if (heap_n == heap_cap) heap = grown(heap, (size_t)(heap_cap = heap_cap ? heap_cap * 2 : 1024) * sizeof *heap);
    c->due = due;
    place(heap_n++, c);
    sift_up(heap_n - 1);
}
static void timer_del(conn *c) {
    int i = c->at;
    if (i < 0) return;
    c->at = -1;
    conn *last = heap[--heap_n];
    if (last != c) { place(i, last); sift_up(i); sift_down(last->at); }
}

/* ---- the replies, composed once ---- */
#define CHUNK "{\"id\":\"chatcmpl-bench0000000000\",\"object\":\"chat.completion.chunk\",\"created\":1700000000," \
    "\"model\":\"bench-model\",\"system_fingerprint\":\"fp_bench\","
#define USAGE "{\"prompt_tokens\":24,\"completion_tokens\":100,\"total_tokens\":124," \
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":" \
    "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"
#define ANSWER "{\"id\":\"chatcmpl-bench0000000000\",\"object\":\"chat.completion\",\"created\":1700000000," \
    "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":" \
    "\"The quick brown fox jumps over the lazy dog. A gateway that adds little is a gateway one forgets about; " \
    "this answer is always the same and costs nothing.\",\"refusal\":null},\"logprobs\":null," \
    "\"finish_reason\":\"stop\"}],\"usage\":" USAGE ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}"

typedef struct { char text[2048]; size_t len; } reply;
static reply answer, piece, opening, ending, ending_with_usage;
static char *answer_id, *piece_clock;   /* where the digits go */

static void add_text(reply *r, const char *text) { r->len += (size_t)sprintf(r->text + r->len, "%s", text); }
static void add_event(reply *r, const char *json) {     /* one server-sent event as one HTTP chunk */
    r->len += (size_t)sprintf(r->text + r->len, "%zx\r\ndata: %s\n\n\r\n", strlen(json) + 8, json);
}
static void digits(char *p, int n, u64 v) { while (n--) { p[n] = (char)('0' + v % 10); v /= 10; } }

static void compose(void) {
    const char *finish = CHUNK "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}";
    answer.len = (size_t)sprintf(answer.text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                 strlen(ANSWER), ANSWER);
    answer_id = strstr(answer.text, "bench0000000000") + 5;
    add_text(&opening, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n");
    add_event(&opening, CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
                              "\"logprobs\":null,\"finish_reason\":null}]}");
    add_event(&piece, CHUNK "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"t0000000000000000 \"},\"logprobs\":null,"
                            "\"finish_reason\":null}]}");
    piece_clock = strstr(piece.text, "t0000000000000000") + 1;
    add_event(&ending, finish);
    add_event(&ending, "[DONE]");
    add_text(&ending, "0\r\n\r\n");
    add_event(&ending_with_usage, finish);
    add_event(&ending_with_usage, CHUNK "\"choices\":[],\"usage\":" USAGE "}");
    add_event(&ending_with_usage, "[DONE]");
    add_text(&ending_with_usage, "0\r\n\r\n");
}

/* ---- writing ---- */
static void drop(conn *c) {
    if (c->dead) return;
    if (c->state == STREAMING) { n_aborted++; n_active--; }
    timer_del(c);
    close(c->fd);
    c->dead = 1; c->next_dead = graveyard; graveyard = c;
}
static void want_to_write(conn *c, int yes) {
    if (c->writing == yes) return;
    c->writing = yes;
    struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | (yes ? EPOLLOUT : 0), .data.ptr = c };
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void put(conn *c, const char *p, size_t n) {
    if (c->dead) return;
    if (!c->out_len) {
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN) { drop(c); return; }
        if (w > 0) { p += w; n -= (size_t)w; }
        if (!n) return;
    }
    if (c->out_len + n > c->out_cap) c->out = grown(c->out, c->out_cap = (c->out_len + n) * 2);
    memcpy(c->out + c->out_len, p, n);
    c->out_len += n;
    want_to_write(c, 1);
}
static void write_rest(conn *c) {
    ssize_t w = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (w < 0) { if (errno != EAGAIN) drop(c); return; }
    memmove(c->out, c->out + w, c->out_len -= (size_t)w);
    if (c->out_len) return;
    want_to_write(c, 0);
    if (c->state == IDLE && !c->keep_alive) drop(c);
}
static void finish(conn *c) {
    c->state = IDLE;
    if (!c->keep_alive && !c->out_len) drop(c);
}
static void send_answer(conn *c) {
    static u64 id;
    digits(answer_id, 10, ++id);
    put(c, answer.text, answer.len);
    finish(c);
}
static void send_piece(conn *c, u64 now) {
    char buf[3 * sizeof(reply)];
    size_t n = 0;
    if (!c->sent_head) { memcpy(buf, opening.text, n = opening.len); c->sent_head = 1; }
    digits(piece_clock, 16, now_us());
    memcpy(buf + n, piece.text, piece.len);
    n += piece.len; n_chunks++;
    if (--c->left <= 0) {
        const reply *end = c->usage ? &ending_with_usage : &ending;
        memcpy(buf + n, end->text, end->len);
        n_done++; n_active--;
        c->state = IDLE;                /* before put(): a client gone by now has not aborted the stream */
        put(c, buf, n + end->len);
        finish(c);
        return;
    }
    put(c, buf, n);
    if (c->dead) return;
    u64 next = c->due + interval_us;    /* keeps the beat, but never piles up a backlog */
    timer_add(c, next < now ? now + interval_us : next);
}

/* ---- reading ---- */
static const char *header(const char *p, const char *end, const char *name) {
    size_t n = strlen(name);
    while (p && p < end) {
        if (!strncasecmp(p, name, n) && p[n] == ':') return p + n + 1 + strspn(p + n + 1, " ");
        if ((p = memmem(p, (size_t)(end - p), "\r\n", 2))) p += 2;
    }
    return NULL;
}
static const char *value_of(const char *body, size_t n, const char *key) {
    const char *p = memmem(body, n, key, strlen(key));
    if (!p) return NULL;
    for (p += strlen(key); p < body + n && strchr(" :\n\t", *p); p++) ;
    return p;
}
static int is_true(const char *p, const char *end) { return p && end - p >= 4 && !memcmp(p, "true", 4); }

static void on_chat(conn *c, const char *body, size_t n) {
    u64 now = now_us();
    n_chat++;
    if (!is_true(value_of(body, n, "\"stream\""), body + n)) {
        c->state = WAITING;
        if (delay_us) timer_add(c, now + delay_us); else send_answer(c);
        return;
    }
    const char *m = value_of(body, n, "\"max_tokens\"");
    if (!m) m = value_of(body, n, "\"max_completion_tokens\"");
    n_streams++;
    if (++n_active > n_peak) n_peak = n_active;
    c->state = STREAMING; c->sent_head = 0;
    c->left = m && atoi(m) > 0 ? atoi(m) : default_chunks;
    c->usage = is_true(value_of(body, n, "\"include_usage\""), body + n);
    c->due = now + delay_us;
    if (delay_us) timer_add(c, c->due); else send_piece(c, now);
}
static void on_other(conn *c, const char *line, size_t n) {
    char json[512], out[700];
    const char *status = "200 OK";
    if (memmem(line, n, "/stats", 6)) {
        snprintf(json, sizeof json, "{\"connections\":%llu,\"chat\":%llu,\"streams\":%llu,\"streams_done\":%llu,\"aborted\":%llu,"
                 "\"active\":%llu,\"peak_active\":%llu,\"chunks\":%llu,\"bad\":%llu}",
                 n_conns, n_chat, n_streams, n_done, n_aborted, n_active, n_peak, n_chunks, n_bad);
        n_peak = n_active;
    } else if (memmem(line, n, "/models", 7)) {
        strcpy(json, "{\"object\":\"list\",\"data\":[{\"id\":\"bench-model\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"bench\"}]}");
    } else {
        n_bad++;
        status = "404 Not Found";
        strcpy(json, "{\"error\":{\"message\":\"no such path\",\"type\":\"invalid_request_error\"}}");
    }
    put(c, out, (size_t)snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                 status, strlen(json), json));
    finish(c);
}
/* Joins a chunked request body in place; returns its end in the buffer, or NULL while it is not whole. */
static char *unchunk(char *body, char *end, size_t *body_len) {
    char *p = body, *w = body;
    for (int pass = 0; pass < 2; pass++) {              /* first look whether it is whole, then move */
        p = body;
        for (size_t n = 1; n; ) {
            char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
            if (!eol) return NULL;
            n = strtoul(p, NULL, 16);
            p = eol + 2;
            if ((size_t)(end - p) < n + 2) return NULL;
            if (pass) { memmove(w, p, n); w += n; }
            p += n + 2;
        }
    }
    *body_len = (size_t)(w - body);
    return p;
}
/* Takes one request off the buffer: the bytes eaten, 0 while more is needed, -1 for a bad one. */
static long take(conn *c) {
    char *b = c->in, *end = b + c->in_len, *head_end = memmem(b, c->in_len, "\r\n\r\n", 4);
    if (!head_end) return c->in_len > 65536 ? -1 : 0;
    char *eol = memmem(b, c->in_len, "\r\n", 2), *body = head_end + 4, *after;
    size_t body_len;
    const char *v = header(eol + 2, head_end, "Transfer-Encoding");
    if (v && !strncasecmp(v, "chunked", 7)) {
        if (!(after = unchunk(body, end, &body_len))) return 0;
    } else {
        v = header(eol + 2, head_end, "Content-Length");
        body_len = v ? strtoul(v, NULL, 10) : 0;
        if (body_len > 64u << 20) return -1;
        if ((size_t)(end - body) < body_len) return 0;
        after = body + body_len;
    }
    v = header(eol + 2, head_end, "Connection");
    c->keep_alive = !(v && !strncasecmp(v, "close", 5)) && memmem(b, (size_t)(eol - b), "HTTP/1.1", 8);
    if (memmem(b, (size_t)(eol - b), "/chat/completions", 17)) on_chat(c, body, body_len);
    else on_other(c, b, (size_t)(eol - b));
    return after - b;
}
static void take_all(conn *c) {
    while (!c->dead && c->state == IDLE && c->in_len) {
        long n = take(c);
        if (n < 0) { n_bad++; drop(c); }
        if (n <= 0) return;
        memmove(c->in, c->in + n, c->in_len -= (size_t)n);
    }
}
static void on_readable(conn *c) {
    if (c->in_cap - c->in_len < 4096) c->in = grown(c->in, c->in_cap = c->in_cap ? c->in_cap * 2 : 8192);
    ssize_t r = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
    if (r > 0) { c->in_len += (size_t)r; take_all(c); }
    else if (r == 0 || errno != EAGAIN) drop(c);
}
static void on_connect(int server) {
    for (int fd, one = 1; (fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0; n_conns++) {
        conn *c = memset(grown(NULL, sizeof *c), 0, sizeof *c);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd; c->at = -1;
        struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = c };
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}
static void on_event(conn *c, unsigned events) {
    if (c->dead) return;
    if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) { drop(c); return; }
    if (events & EPOLLOUT) write_rest(c);
    if (!c->dead && (events & EPOLLIN)) on_readable(c);
}
static void on_timers(void) {
    u64 now = now_us();
    while (heap_n && heap[0]->due <= now) {
        conn *c = heap[0];
        timer_del(c);
        if (c->state == WAITING) send_answer(c); else send_piece(c, now);
        take_all(c);
    }
}

int main(int argc, char **argv) {
    int port = 9100, one = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--port")) port = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--delay-ms")) delay_us = (u64)(atof(argv[i + 1]) * 1000);
        else if (!strcmp(argv[i], "--chunks")) default_chunks = atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--interval-ms")) interval_us = (u64)(atof(argv[i + 1]) * 1000);
        else { fprintf(stderr, "upstream: unknown option %s\n", argv[i]); return 2; }
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);   /* nothing is left running when the benchmark dies */
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files); files.rlim_cur = files.rlim_max; setrlimit(RLIMIT_NOFILE, &files);
    compose();
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (bind(server, (struct sockaddr *)&a, sizeof a) || listen(server, 4096)) { perror("upstream"); return 1; }
    ep = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, ev[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, server, &e);
    for (;;) {
        u64 now = now_us();
        int wait = !heap_n ? -1 : heap[0]->due <= now ? 0 : (int)((heap[0]->due - now + 999) / 1000);
        int n = epoll_wait(ep, ev, 256, wait);
        for (int i = 0; i < n; i++) { if (ev[i].data.ptr) on_event(ev[i].data.ptr, ev[i].events); else on_connect(server); }
        on_timers();
        while (graveyard) { conn *c = graveyard; graveyard = c->next_dead; free(c->in); free(c->out); free(c); }
    }
}
