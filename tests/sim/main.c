/* SPDX-License-Identifier: Apache-2.0 */
/* kab-sim: runs schedules of the simulator.
 *
 * Each job is a process of its own, so that an engine that aborts is found
 * like any other failure: its current seed is in shared memory. A seed that
 * fails is run again with a trace.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

enum { MAX_JOBS = 16, SCHEDULE_SECONDS = 20 };

/* Options of the command line. */
typedef struct {
    uint64_t from, schedules;
    double seconds;
    unsigned jobs;
    bool is_single, shrinks, is_brief;
    size_t lines; /* of the trace */
    uint64_t without;
    unsigned members, partitions, records; /* at most; 0: the plan's */
} Run;

typedef struct {
    uint64_t seed; /* running now */
    uint64_t done;
} Progress;

static struct Trace *crash_trace;

static void
limit_value(unsigned *value, unsigned most)
{
    if (most && *value > most)
        *value = most;
}

static void
make_plan(const Run *run, uint64_t seed, Plan *plan)
{
    plan_make(plan, seed);
    plan->faults &= ~run->without;
    limit_value(&plan->n_members, run->members);
    limit_value(&plan->n_partitions, run->partitions);
    limit_value(&plan->n_records, run->records);
}

/* An engine that hangs has failed. The limit is CPU time: the machine may be
 * busy with other work. */
static void
limit_time(void)
{
    struct itimerval limit_of = {.it_value.tv_sec = SCHEDULE_SECONDS};
    setitimer(ITIMER_PROF, &limit_of, NULL);
}

static bool
run_seed(const Run *run, uint64_t seed)
{
    Plan plan;
    make_plan(run, seed, &plan);
    Sim *sim = sim_new(&plan, NULL);
    bool held = sim_run(sim);
    sim_free(sim);
    return held;
}

/* --- One seed, with its trace -------------------------------------------- */

static void
on_crash(int signal)
{
    trace_print(crash_trace, 100);
    printf("# the engine crashed\n");
    fflush(stdout);
    _exit(1);
}

static bool
show_seed(const Run *run, uint64_t seed)
{
    Plan plan;
    make_plan(run, seed, &plan);
    plan_print(&plan);
    fflush(stdout);
    crash_trace = trace_new();
    signal(SIGABRT, on_crash);
    signal(SIGSEGV, on_crash);
    Sim *sim = sim_new(&plan, crash_trace);
    bool held = sim_run(sim);
    if (!held || run->lines != 100)
        trace_print(crash_trace, run->lines);
    printf(held ? "# held\n" : "# FAILED: %s\n", sim->failure);
    fflush(stdout);
    sim_free(sim);
    trace_free(crash_trace);
    return held;
}

static int
wait_for(pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

static bool
show_in_child(const Run *run, uint64_t seed)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(show_seed(run, seed) ? 0 : 1);
    return wait_for(pid) == 0;
}

/* --- Shrinking ----------------------------------------------------------- */

static bool
run_fails(const Run *run, uint64_t seed)
{
    pid_t pid = fork();
    if (pid == 0) {
        fclose(stderr);
        limit_time();
        _exit(run_seed(run, seed) ? 0 : 1);
    }
    return wait_for(pid) != 0;
}

static void
shrink_number(Run *run, uint64_t seed, unsigned *field, unsigned value)
{
    while (value > 1) {
        Run smaller = *run;
        unsigned *place =
            (unsigned *)((char *)&smaller + ((char *)field - (char *)run));
        *place = value / 2;
        if (!run_fails(&smaller, seed))
            break;
        value /= 2;
        *field = value;
    }
    while (value > 1 && value < 64) {
        Run smaller = *run;
        unsigned *place =
            (unsigned *)((char *)&smaller + ((char *)field - (char *)run));
        *place = value - 1;
        if (!run_fails(&smaller, seed))
            break;
        *field = --value;
    }
}

static void
shrink_faults(Run *run, uint64_t seed)
{
    for (unsigned i = 0; i < N_FAULTS; i++) {
        Run smaller = *run;
        smaller.without |= UINT64_C(1) << i;
        if (run_fails(&smaller, seed))
            *run = smaller;
    }
}

static void
print_command(const Run *run, uint64_t seed)
{
    printf("# replay: kab-sim --seed %" PRIu64, seed);
    const char *separator = " --without ";
    for (unsigned i = 0; i < N_FAULTS; i++)
        if ((run->without >> i) & 1) {
            printf("%s%s", separator, fault_name((Fault)i));
            separator = ",";
        }
    if (run->members)
        printf(" --members %u", run->members);
    if (run->partitions)
        printf(" --partitions %u", run->partitions);
    if (run->records)
        printf(" --records %u", run->records);
    printf("\n");
}

static void
shrink_plan(const Run *given, uint64_t seed, Run *ret_run)
{
    Run run = *given;
    Plan plan;
    make_plan(&run, seed, &plan);
    shrink_number(&run, seed, &run.members, plan.n_members);
    shrink_faults(&run, seed);
    shrink_number(&run, seed, &run.partitions, plan.n_partitions);
    shrink_number(&run, seed, &run.records, plan.n_records);
    shrink_faults(&run, seed);
    *ret_run = run;
}

static void
report_failure(const Run *run, uint64_t seed)
{
    Run smallest = *run;
    if (run->shrinks)
        shrink_plan(run, seed, &smallest);
    show_in_child(&smallest, seed);
    print_command(&smallest, seed);
}

/* --- Many seeds ---------------------------------------------------------- */

static double
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
work_on_seeds(const Run *run, unsigned job, Progress *progress)
{
    double end = run->seconds > 0 ? seconds_now() + run->seconds : 0;
    for (uint64_t i = job; i < run->schedules; i += run->jobs) {
        if (end > 0 && seconds_now() > end)
            break;
        progress->seed = run->from + i;
        limit_time();
        if (!run_seed(run, progress->seed))
            _exit(1);
        progress->done++;
    }
    _exit(0);
}

static pid_t
start_job(const Run *run, unsigned job, Progress *progress)
{
    pid_t pid = fork();
    if (pid == 0)
        work_on_seeds(run, job, &progress[job]);
    return pid;
}

static void
stop_jobs(const pid_t *pids, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        kill(pids[i], SIGKILL);
}

/* The job that failed first; n: none did. */
static unsigned
wait_jobs(const pid_t *pids, unsigned n)
{
    unsigned failed = n;
    for (unsigned left = n; left; left--) {
        int status = 0;
        pid_t pid = wait(&status);
        bool is_good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (WIFSIGNALED(status) && failed == n)
            printf("# a job was ended by signal %d\n", WTERMSIG(status));
        for (unsigned i = 0; i < n; i++)
            if (pids[i] == pid && !is_good && failed == n) {
                failed = i;
                stop_jobs(pids, n);
            }
    }
    return failed;
}

static bool
run_many(const Run *run)
{
    Progress *progress =
        mmap(NULL, MAX_JOBS * sizeof *progress, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[MAX_JOBS];
    double start = seconds_now();
    for (unsigned i = 0; i < run->jobs; i++)
        pids[i] = start_job(run, i, progress);
    unsigned failed = wait_jobs(pids, run->jobs);
    uint64_t done = 0;
    for (unsigned i = 0; i < run->jobs; i++)
        done += progress[i].done;
    printf("# %" PRIu64 " schedules from seed %" PRIu64 " held in %.1f s\n",
           done, run->from, seconds_now() - start);
    if (failed == run->jobs)
        return true;
    printf("# seed %" PRIu64 " FAILED\n", progress[failed].seed);
    if (!run->is_brief)
        report_failure(run, progress[failed].seed);
    return false;
}

/* --- The command line ---------------------------------------------------- */

static uint64_t
parse_faults(char *text)
{
    uint64_t bits = 0;
    for (char *name = strtok(text, ","); name; name = strtok(NULL, ",")) {
        unsigned i = 0;
        while (i < N_FAULTS && strcmp(fault_name((Fault)i), name) != 0)
            i++;
        if (i == N_FAULTS) {
            fprintf(stderr, "kab-sim: no fault is called %s\n", name);
            exit(64);
        }
        bits |= UINT64_C(1) << i;
    }
    return bits;
}

static void
print_usage(FILE *out)
{
    fprintf(out, "usage: kab-sim [--schedules N] [--seconds S] [--from SEED] "
                 "[--threads N] [--shrink] [--brief]\n"
                 "       kab-sim --seed N [--trace LINES] [--without FAULT,…] "
                 "[--members N] [--partitions N] [--records N]\n");
}

static void
parse_arguments(Run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"schedules", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"from", required_argument, NULL, 'f'},
        {"threads", required_argument, NULL, 'j'},
        {"seed", required_argument, NULL, 'e'},
        {"trace", required_argument, NULL, 't'},
        {"without", required_argument, NULL, 'w'},
        {"members", required_argument, NULL, 'm'},
        {"partitions", required_argument, NULL, 'p'},
        {"records", required_argument, NULL, 'r'},
        {"shrink", no_argument, NULL, 'k'},
        {"brief", no_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (c) {
        case 'n':
            run->schedules = number;
            break;
        case 's':
            run->seconds = atof(optarg);
            break;
        case 'f':
            run->from = number;
            break;
        case 'j':
            run->jobs = (unsigned)CLAMP(number, 1, MAX_JOBS);
            break;
        case 'e':
            run->from = number;
            run->is_single = true;
            break;
        case 't':
            run->lines = number;
            break;
        case 'w':
            run->without = parse_faults(optarg);
            break;
        case 'm':
            run->members = (unsigned)number;
            break;
        case 'p':
            run->partitions = (unsigned)number;
            break;
        case 'r':
            run->records = (unsigned)number;
            break;
        case 'b':
            run->is_brief = true;
            break;
        case 'k':
            run->shrinks = true;
            break;
        case 'h':
            print_usage(stdout);
            exit(0);
        default:
            print_usage(stderr);
            exit(64);
        }
    }
    if (run->seconds > 0 && !run->schedules)
        run->schedules = UINT64_MAX;
}

int
main(int argc, char **argv)
{
    Run run = {.from = 1, .jobs = 1, .lines = 100};
    parse_arguments(&run, argc, argv);
    if (!run.schedules)
        run.schedules = 2000;
    if (!run.is_single)
        return run_many(&run) ? 0 : 1;
    if (run.shrinks && run_fails(&run, run.from)) {
        report_failure(&run, run.from);
        return 1;
    }
    return show_in_child(&run, run.from) ? 0 : 1;
}
