/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule's only source of randomness: splitmix64. */
#include "sim.h"

uint64_t
sim_random(Sim *sim)
{
    uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

unsigned
sim_below(Sim *sim, unsigned limit)
{
    return (unsigned)(sim_random(sim) >> 33) % limit;
}

int64_t
sim_between(Sim *sim, int64_t low, int64_t high)
{
    uint64_t span = (uint64_t)(high - low) + 1;
    return low + (int64_t)((sim_random(sim) >> 20) % span);
}

bool
sim_strikes(Sim *sim, Fault fault)
{
    bool hits = sim_below(sim, 1024) < sim->plan.rate[fault];
    bool is_on = (sim->plan.faults >> fault) & 1;
    return hits && is_on && !sim->is_calm;
}
