/* SPDX-License-Identifier: Apache-2.0 */
/* The source of a member: loads, fetches, valves, commits. */
#include <string.h>

#include "sim.h"

static bool
note_effect(Member *member, Fetcher *fetcher, const char *name)
{
    member->n_effects++;
    if (fetcher->is_gone)
        sim_fail(member->sim, "%s of a partition that is gone", name);
    TRACE(member->sim, "%u: %s %u", member->number, name, fetcher->partition);
    return !fetcher->is_gone;
}

/* --- Assignment --------------------------------------------------------- */

static Fetcher *
make_fetcher(Member *member, unsigned partition)
{
    Fetcher *fetcher = sim_alloc(member->sim, sizeof *fetcher);
    unsigned place = 0;
    while (place < member->n_fetchers && !member->fetchers[place]->is_gone)
        place++;
    g_assert(place < G_N_ELEMENTS(member->fetchers));
    member->fetchers[place] = fetcher;
    member->n_fetchers = MAX(member->n_fetchers, place + 1);
    fetcher->member = member;
    fetcher->partition = partition;
    fetcher->position = fetcher->taken_to = -1;
    fetcher->is_open = true;
    for (unsigned i = 0; i < G_N_ELEMENTS(fetcher->last_first); i++)
        fetcher->last_first[i] = -1;
    return fetcher;
}

Fetcher *
source_assign(Member *member, unsigned partition)
{
    Fetcher *fetcher = make_fetcher(member, partition);
    TRACE(member->sim, "%u: assigned %u", member->number, partition);
    fetcher->handle = kab_engine_assigned(
        member->engine, "in", (int32_t)partition, fetcher, member->sim->now);
    return fetcher;
}

static void
assign_again(Sim *sim, Member *member, void *data)
{
    Fetcher *old = data;
    if (!group_keeps(sim, member, old->partition) ||
        member_find(member, old->partition))
        return;
    Fetcher *fetcher = make_fetcher(member, old->partition);
    TRACE(sim, "%u: assigned %u at its beginning", member->number,
          old->partition);
    fetcher->from_beginning = fetcher->is_loaded = true;
    fetcher->loaded = old->loaded; /* the same log: still finished */
    fetcher->handle = kab_engine_assigned_at_beginning(
        member->engine, "in", (int32_t)old->partition, fetcher, sim->now);
    member_touch(member);
}

/* --- Load --------------------------------------------------------------- */

static void
answer_load(Sim *sim, Member *member, void *data)
{
    Fetcher *fetcher = data;
    if (fetcher->is_gone)
        return;
    if (broker_is_unstable(sim, fetcher->partition)) {
        sim_after(sim, 5 * MS, member, answer_load, fetcher);
        return;
    }
    const Committed *committed = &sim->logs[fetcher->partition].committed;
    if (!fetcher->is_checking) {
        fetcher->loaded = *committed;
        fetcher->is_pinned = committed->has_offset;
    }
    fetcher->is_loading = fetcher->is_checking = false;
    fetcher->is_loaded = true;
    KabCommitted state = {.has_offset = committed->has_offset,
                          .offset = committed->offset,
                          .intervals = committed->intervals,
                          .n_intervals = committed->n};
    TRACE(sim, "%u: loaded %u: %" PRIi64, member->number, fetcher->partition,
          committed->has_offset ? committed->offset : -1);
    kab_engine_loaded(member->engine, fetcher->handle, &state, sim->now);
    member_touch(member);
}

void
source_load(void *user, KabPartition *partition)
{
    Member *member = user;
    Fetcher *fetcher = kab_partition_edge(partition);
    if (!note_effect(member, fetcher, "load"))
        return;
    if (fetcher->is_loading || fetcher->is_checking)
        sim_fail(member->sim, "a partition is loaded twice at once");
    fetcher->is_checking = fetcher->is_loaded;
    fetcher->is_loading = !fetcher->is_loaded;
    int64_t limit = sim_strikes(member->sim, FAULT_LOAD) ? 200 * MS : MS;
    sim_after(member->sim, sim_between(member->sim, 0, limit), member,
              answer_load, fetcher);
}

/* --- Add, valve, unassign ----------------------------------------------- */

static void
seek_position(const Log *log, Fetcher *fetcher)
{
    fetcher->next = 0;
    while (fetcher->next < log->n &&
           log->records[fetcher->next]->offset < fetcher->position)
        fetcher->next++;
}

void
source_add(void *user, KabPartition *partition, int64_t offset)
{
    Member *member = user;
    Fetcher *fetcher = kab_partition_edge(partition);
    const Log *log = &member->sim->logs[fetcher->partition];
    if (!note_effect(member, fetcher, "add"))
        return;
    if (!fetcher->is_loaded || fetcher->is_added)
        sim_fail(member->sim, "a partition is added without a load, or twice");
    fetcher->is_added = true;
    fetcher->position = offset;
    if (offset == KAB_OFFSET_BEGINNING)
        fetcher->position = log->start;
    else if (offset == KAB_OFFSET_END)
        fetcher->position = log->end;
    else
        fetcher->taken_to = offset;
    seek_position(log, fetcher);
    member_poll(member);
}

void
source_valve(void *user, KabPartition *partition, bool open)
{
    Member *member = user;
    Fetcher *fetcher = kab_partition_edge(partition);
    if (!note_effect(member, fetcher, open ? "opens" : "closes"))
        return;
    if (fetcher->is_open == open || !fetcher->is_added)
        sim_fail(member->sim, "a valve is set to the state that it has");
    fetcher->is_open = open;
    member_poll(member);
}

void
source_unassign(void *user, KabPartition *partition)
{
    Member *member = user;
    Fetcher *fetcher = kab_partition_edge(partition);
    if (!note_effect(member, fetcher, "unassign"))
        return;
    check_handed_over(member, fetcher);
    fetcher->is_gone = true;
    unsigned kept = 0;
    for (unsigned i = 0; i < member->n_fetched; i++)
        if (member->fetched[i].fetcher != fetcher)
            member->fetched[kept++] = member->fetched[i];
    member->n_fetched = kept;
    if (kab_partition_is_reset(partition))
        sim_after(member->sim, sim_between(member->sim, 0, MS), member,
                  assign_again, fetcher);
}

/* --- Records ------------------------------------------------------------ */

static void
fetch_one(Member *member, Fetcher *fetcher, Fetched fetched)
{
    fetched.fetcher = fetcher;
    member->fetched[member->n_fetched++] = fetched;
}

static void
fetch_records(Sim *sim, Member *member, Fetcher *fetcher)
{
    const Log *log = &sim->logs[fetcher->partition];
    if (fetcher->is_gone || !fetcher->is_added || !fetcher->is_open ||
        fetcher->is_resetting)
        return;
    if (fetcher->position < log->start) {
        fetcher->is_resetting = true;
        TRACE(sim, "%u: %u is out of range", member->number,
              fetcher->partition);
        if (!fetcher->revoked_at && !fetcher->is_lost)
            member->counted.records_skipped[KAB_SKIP_OUT_OF_RANGE]++;
        kab_engine_reset(member->engine, fetcher->handle, sim->now);
        member_touch(member);
        return;
    }
    unsigned n = 1 + sim_below(sim, 30);
    for (; n && member->n_fetched < MAX_FETCHED && fetcher->next < log->n;
         n--) {
        Record *record = log->records[fetcher->next++];
        fetcher->position = record->offset + 1;
        fetcher->is_at_end = false;
        fetch_one(member, fetcher, (Fetched){.record = record});
    }
    if (fetcher->next < log->n || member->n_fetched == MAX_FETCHED ||
        (fetcher->is_at_end && fetcher->position == log->end))
        return;
    fetcher->is_at_end = true;
    fetcher->position = log->end;
    fetch_one(member, fetcher, (Fetched){.end = log->end});
}

static KabTaken
make_taken(Sim *sim, Member *member, Fetcher *fetcher, Record *record)
{
    Message *message = sim_alloc(sim, sizeof *message);
    message->record = record;
    message->fetcher = fetcher;
    message->charge = record->size + 512;
    member->messages_out++;
    member->charge += message->charge;
    bool is_taken =
        !fetcher->revoked_at && !fetcher->is_resetting && !fetcher->is_lost;
    if (is_taken)
        fetcher->taken_to = record->offset + 1;
    message->taken_at = message->ready_at = sim->now;
    fetcher->n_held++;
    fetcher->is_told_end = false;
    bool was_finished = committed_has(&fetcher->loaded, record->offset);
    member->counted.records_consumed++;
    member->counted.records_skipped[KAB_SKIP_STALE] += !is_taken;
    member->counted.records_skipped[KAB_SKIP_FINISHED] +=
        is_taken && was_finished;
    if (is_taken && !was_finished) {
        fetcher->messages[fetcher->n_messages++] = message;
        fetcher->waiting_charge += message->charge;
    }
    size_t key_size = record->key ? 2 : 0;
    message->bytes = sim_alloc(sim, record->size + 1);
    if (record->size)
        memcpy(message->bytes, record->bytes, record->size);
    return (KabTaken){
        .record = {.topic = "in",
                   .partition = (int32_t)record->partition,
                   .offset = record->offset,
                   .key = {record->key ? message->bytes : NULL, key_size},
                   .value = {message->bytes + key_size,
                             record->size - key_size}},
        .message = message,
    };
}

/* Gives the records at the front that are of one partition, at most `want`.
 * Returns how many. */
static unsigned
give_records(Sim *sim, Member *member, const Fetched *fetched, size_t want)
{
    KabTaken taken[MAX_FETCHED];
    const Fetched *end = member->fetched + member->n_fetched;
    Fetcher *fetcher = fetched->fetcher;
    unsigned n = 0;
    for (; n < want && fetched < end && fetched->record &&
           fetched->fetcher == fetcher;
         fetched++)
        taken[n++] = make_taken(sim, member, fetcher, fetched->record);
    kab_engine_take(member->engine, fetcher->handle, taken, n, sim->now);
    return n;
}

static void
give_end(Sim *sim, Member *member, const Fetched *fetched)
{
    Fetcher *fetcher = fetched->fetcher;
    if (!fetcher->revoked_at && !fetcher->is_resetting && !fetcher->is_lost)
        fetcher->taken_to = MAX(fetcher->taken_to, fetched->end);
    fetcher->is_told_end = true;
    kab_engine_end_of_partition(member->engine, fetcher->handle, fetched->end,
                                sim->now);
}

/* Ends of partitions are given even if no record is wanted. */
static unsigned
give_wanted(Sim *sim, Member *member)
{
    unsigned given = 0;
    size_t want = 0;
    while (given < member->n_fetched) {
        const Fetched *fetched = &member->fetched[given];
        if (!fetched->record) {
            give_end(sim, member, fetched);
            given++;
            continue;
        }
        if (!want) {
            want = kab_engine_want(member->engine);
            check_want(member, want);
            if (!want)
                break;
        }
        unsigned n = give_records(sim, member, fetched, want);
        want -= n;
        given += n;
    }
    return given;
}

void
source_poll(Sim *sim, Member *member, void *data)
{
    member->polls = false;
    unsigned first = sim_below(sim, MAX_PARTITIONS);
    for (unsigned i = 0; i < member->n_fetchers; i++)
        fetch_records(sim, member,
                      member->fetchers[(i + first) % member->n_fetchers]);
    unsigned given = give_wanted(sim, member);
    if (member->n_fetched)
        TRACE(sim, "%u: takes %u of %u", member->number, given,
              member->n_fetched);
    member->n_fetched -= given;
    memmove(member->fetched, member->fetched + given,
            member->n_fetched * sizeof *member->fetched);
    if (!given)
        return;
    member_touch(member);
    member_poll(member);
}

static Message *
message_of(Member *member, void *data, const char *what)
{
    Message *message = data;
    if (message->is_released)
        sim_fail(member->sim, "%s a message that was released", what);
    return message;
}

void
source_release_message(void *user, void *data)
{
    Member *member = user;
    Message *message = message_of(member, data, "releases");
    message->is_released = true;
    message->fetcher->n_held--;
    member->messages_out--;
    member->charge -= message->charge;
}

void *
source_detach_message(void *user, void *data, KabRecord *record)
{
    Message *message = message_of(user, data, "detaches");
    if (message->call)
        sim_fail(message->fetcher->member->sim,
                 "a message is detached while it is called");
    size_t size = message->record->size;
    char *old = message->bytes;
    message->bytes = sim_alloc(message->fetcher->member->sim, size + 1);
    memcpy(message->bytes, old, size);
    memset(old, 0xdb, size);
    if (record->key.data)
        record->key.data = message->bytes;
    record->value.data = message->bytes + record->key.len;
    return data;
}

/* --- Commits ------------------------------------------------------------ */

typedef struct {
    Member *member;
    uint32_t life;
    KabCommitItem *items;
    size_t n;
    int generation;
    Committed *copies;
    unsigned *partitions;
    KabCommitResult *results;
    int64_t asked_at;
} Request;

/* From now on the partition's records may be called. */
static void
note_pinned(Sim *sim, Fetcher *fetcher)
{
    for (unsigned i = 0; !fetcher->is_pinned && i < fetcher->n_messages; i++)
        fetcher->messages[i]->ready_at = sim->now;
    fetcher->is_pinned = true;
}

static void
answer_commit(Sim *sim, Member *member, void *data)
{
    Request *request = data;
    for (size_t i = 0; i < request->n; i++) {
        request->items[i].result = request->results[i];
        Fetcher *fetcher = member_find(member, request->partitions[i]);
        if (fetcher && request->items[i].partition == fetcher->handle &&
            request->results[i] == KAB_COMMIT_OK)
            note_pinned(sim, fetcher);
    }
    member->is_committing = false;
    count_commit_done(member, request->items, request->n, request->asked_at);
    kab_engine_commit_done(member->engine, request->items, request->n,
                           sim->now);
    member_touch(member);
}

static KabCommitResult
judge_commit(Sim *sim, const Request *request, const Committed *committed)
{
    if (!group_takes_offsets(sim, request->member, request->generation, false))
        return KAB_COMMIT_GROUP;
    if (sim_strikes(sim, FAULT_COMMIT))
        return sim_below(sim, 2) ? KAB_COMMIT_FAILED : KAB_COMMIT_GROUP;
    return broker_check_commit(sim, committed);
}

/* A commit arrives even if its member died meanwhile. */
static void
commit_arrives(Sim *sim, Member *none, void *data)
{
    Request *request = data;
    Member *member = request->member;
    for (size_t i = 0; i < request->n; i++) {
        request->results[i] = judge_commit(sim, request, &request->copies[i]);
        TRACE(sim, "%u: commit %u at %" PRIi64 ": %d", member->number,
              request->partitions[i], request->copies[i].offset,
              (int)request->results[i]);
        if (request->results[i] == KAB_COMMIT_OK)
            broker_commit(sim, request->partitions[i], &request->copies[i]);
        if (sim_strikes(sim, FAULT_COMMIT))
            request->results[i] = KAB_COMMIT_FAILED; /* the answer is lost */
    }
    if (member->life != request->life)
        return;
    int64_t limit = sim_strikes(sim, FAULT_COMMIT) ? 300 * MS : 2 * MS;
    sim_after(sim, sim_between(sim, 0, limit), member, answer_commit, request);
}

static Request *
make_request(Member *member, KabCommitItem *items, size_t n)
{
    Sim *sim = member->sim;
    Request *request = sim_alloc(sim, sizeof *request);
    *request = (Request){.member = member,
                         .life = member->life,
                         .items = items,
                         .n = n,
                         .generation = member->generation,
                         .asked_at = sim->now};
    request->copies = sim_alloc(sim, n * sizeof *request->copies);
    request->partitions = sim_alloc(sim, n * sizeof *request->partitions);
    request->results = sim_alloc(sim, n * sizeof *request->results);
    for (size_t i = 0; i < n; i++) {
        request->copies[i] = committed_copy(sim, &items[i]);
        request->partitions[i] = (unsigned)items[i].number;
    }
    return request;
}

void
source_commit(void *user, KabCommitItem *items, size_t n)
{
    Member *member = user;
    Sim *sim = member->sim;
    if (member->is_joining)
        sim_fail(sim, "a commit while the member joins");
    if (sim->now < member->commits_held_until)
        sim_fail(sim, "a commit while commits are held");
    if (member->is_committing)
        sim_fail(sim, "a commit while another one is out");
    check_commit_items(member, items, n);
    member->n_effects++;
    member->is_committing = true;
    for (size_t i = 0; i < n; i++) {
        check_frontier(member, &items[i]);
        count_commit(member, &items[i]);
    }
    sim_after(sim, sim_between(sim, 0, MS), NULL, commit_arrives,
              make_request(member, items, n));
}
