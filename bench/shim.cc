// Google Benchmark behind a C interface: the only C++ here.
//
// The library gets every repetition as one benchmark of a fixed iteration count, which goes to the C function in a
// single call.  So nothing of the library lies inside the measured time but two clock readings, and it does not matter
// that Debian builds it without optimization; the shim checks that against its own clock and reports the difference.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "bench/internal.h"

#ifndef BENCH_GOOGLE_VERSION
#define BENCH_GOOGLE_VERSION "unknown"
#endif

namespace
{

using Run = benchmark::BenchmarkReporter::Run;

std::vector<double> differences; // shares of a repetition between Google Benchmark's time and our own
enum bench_status failure;
struct bench_job *current_jobs;

// The runs, by row, in the order in which they are to be written.
struct Recorded {
    std::string name;
    std::vector<Run> runs;
};
std::vector<Recorded> recorded;

Recorded &record_of(const std::string &name)
{
    for (auto &entry : recorded)
        if (entry.name == name)
            return entry;
    recorded.push_back({name, {}});
    return recorded.back();
}

// Cycles are counted, or CPU time times clock: wall time would add what other processes took.
void measure(benchmark::State &state, struct bench_job *job, double *own_s)
{
    const struct bench_implementation *implementation = job->row->implementation;
    const bool cycles = job->row->suite->counts_cycles != 0;
    if (bench_stopped())
        failure = BENCH_FAILED;
    if (failure == BENCH_OK && implementation->before)
        failure = implementation->before(job->state);
    double hz = cycles && !bench_cycles_counted() ? bench_core_hz() : 0;
    uint64_t counted = 0;
    double cpu = 0;
    while (state.KeepRunningBatch(state.max_iterations)) {
        double start = bench_now();
        uint64_t first = cycles ? bench_cycles() : 0;
        double cpu_start = bench_cpu_seconds();
        if (failure == BENCH_OK)
            failure = implementation->run(job->state, static_cast<uint64_t>(state.max_iterations));
        cpu = bench_cpu_seconds() - cpu_start;
        counted = cycles ? bench_cycles() - first : 0;
        *own_s = bench_now() - start;
    }
    struct bench_counter values[BENCH_COUNTERS_MAX];
    size_t count = failure == BENCH_OK && implementation->counters ? implementation->counters(job->state, values) : 0;
    if (!job->sample)
        return;
    const double iterations = static_cast<double>(job->iterations);
    job->sample->cpu_s = cpu / iterations;
    job->sample->cycles = static_cast<double>(counted) / iterations;
    if (hz > 0)
        job->sample->cycles = cpu / iterations * (hz + bench_core_hz()) / 2;
    for (size_t i = 0; i < count; i++) {
        job->sample->counters[i] = values[i].value;
        job->counter_names[i] = values[i].name;
    }
    *job->counter_count = count;
}

void add_counters(Run &run, const struct bench_row *row, double seconds_per_iteration, double cycles_per_iteration)
{
    const double bytes = static_cast<double>(row->kase->bytes);
    if (bytes <= 0)
        return;
    if (seconds_per_iteration > 0)
        run.counters["bytes_per_second"] = benchmark::Counter(bytes / seconds_per_iteration);
    if (cycles_per_iteration > 0)
        run.counters["cycles_per_byte"] = benchmark::Counter(cycles_per_iteration / bytes);
}

class Collector : public benchmark::BenchmarkReporter
{
  public:
    bool ReportContext(const Context &) override
    {
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (Run run : runs) {
            size_t index = std::strtoul(run.run_name.function_name.c_str(), nullptr, 10);
            take(run, current_jobs[index], own_s[index]);
        }
    }

    std::vector<double> own_s;

  private:
    static void take(Run &run, const struct bench_job &job, double own)
    {
        if (own > 0)
            differences.push_back(std::fabs(run.real_accumulated_time - own) / own);
        if (!job.sample)
            return;
        job.sample->wall_s = run.real_accumulated_time / static_cast<double>(run.iterations);
        run.run_name = benchmark::BenchmarkName();
        run.run_name.function_name = job.row->full_name;
        run.repetition_index = job.round;
        run.repetitions = job.rounds;
        run.family_index = 0;
        run.per_family_instance_index = 0;
        add_counters(run, job.row, job.sample->wall_s, job.sample->cycles);
        for (size_t i = 0; i < *job.counter_count; i++)
            run.counters[job.counter_names[i]] = benchmark::Counter(job.sample->counters[i]);
        record_of(job.row->full_name).runs.push_back(run);
    }
};

struct Statistic {
    const char *name;
    benchmark::StatisticUnit unit;
    double (*compute)(std::vector<double>);
};

double mean(std::vector<double> values)
{
    double sum = 0;
    for (double value : values)
        sum += value;
    return sum / static_cast<double>(values.size());
}

double deviation(std::vector<double> values)
{
    if (values.size() < 2)
        return 0;
    double average = mean(values), sum = 0;
    for (double value : values)
        sum += (value - average) * (value - average);
    return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double variation(std::vector<double> values)
{
    double average = mean(values);
    return average > 0 ? deviation(values) / average : 0;
}

double middle(std::vector<double> values)
{
    return bench_median(values.data(), values.size());
}

double least(std::vector<double> values)
{
    return *std::min_element(values.begin(), values.end());
}

const Statistic statistics[] = {
    {"mean", benchmark::kTime, mean},        {"median", benchmark::kTime, middle},
    {"stddev", benchmark::kTime, deviation}, {"cv", benchmark::kPercentage, variation},
    {"min", benchmark::kTime, least},
};

} // namespace

// The library reads its flags from the environment, too, before main().  It keeps pointers into these.
extern "C" void bench_shim_init(void)
{
    static char program[] = "sealane-bench", no_list[] = "--benchmark_list_tests=false";
    static char no_shuffle[] = "--benchmark_enable_random_interleaving=false",
                no_counters[] = "--benchmark_perf_counters=";
    static char no_warm_up[] = "--benchmark_min_warmup_time=0";
    static char *arguments[] = {program, no_list, no_shuffle, no_counters, no_warm_up, nullptr};
    int count = 5;
    benchmark::Initialize(&count, arguments);
}

extern "C" void bench_shim_context(const char *key, const char *value)
{
    benchmark::AddCustomContext(key, value);
}

extern "C" enum bench_status bench_shim_run(struct bench_job *jobs, size_t count)
{
    Collector collector;
    failure = BENCH_OK;
    current_jobs = jobs;
    collector.own_s.assign(count, 0);
    benchmark::ClearRegisteredBenchmarks();
    for (size_t i = 0; i < count; i++) {
        double *own = &collector.own_s[i];
        struct bench_job *job = &jobs[i];
        benchmark::RegisterBenchmark(std::to_string(i).c_str(),
                                     [job, own](benchmark::State &state) { measure(state, job, own); })
            ->Iterations(static_cast<benchmark::IterationCount>(job->iterations))
            ->Repetitions(1)
            ->MeasureProcessCPUTime()
            ->UseRealTime();
    }
    benchmark::RunSpecifiedBenchmarks(&collector, nullptr, ".");
    benchmark::ClearRegisteredBenchmarks();
    return failure;
}

extern "C" void bench_shim_aggregate(const struct bench_result *result)
{
    Recorded &entry = record_of(result->row->full_name);
    if (entry.runs.empty())
        return;
    std::vector<double> wall, cpu, cycles;
    for (size_t i = 0; i < result->sample_count; i++) {
        wall.push_back(result->samples[i].wall_s);
        cpu.push_back(result->samples[i].cpu_s);
        cycles.push_back(result->samples[i].cycles);
    }
    for (const Statistic &statistic : statistics) {
        Run run = entry.runs.front();
        run.run_type = Run::RT_Aggregate;
        run.aggregate_name = statistic.name;
        run.aggregate_unit = statistic.unit;
        run.repetition_index = Run::no_repetition_index;
        run.iterations = static_cast<benchmark::IterationCount>(result->sample_count);
        // The library divides times by iterations, which in an aggregate are the repetitions.
        run.real_accumulated_time = statistic.compute(wall) * static_cast<double>(run.iterations);
        run.cpu_accumulated_time = statistic.compute(cpu) * static_cast<double>(run.iterations);
        run.counters.clear();
        if (statistic.compute == middle || statistic.compute == least)
            add_counters(run, result->row, statistic.compute(wall), statistic.compute(cycles));
        for (size_t c = 0; c < result->counter_count && statistic.compute == middle; c++) {
            std::vector<double> values;
            for (size_t i = 0; i < result->sample_count; i++)
                values.push_back(result->samples[i].counters[c]);
            run.counters[result->counter_names[c]] = benchmark::Counter(middle(values));
        }
        entry.runs.push_back(run);
    }
}

extern "C" void bench_shim_clock_difference(double *median, double *most)
{
    *median = *most = 0;
    if (differences.empty())
        return;
    *most = *std::max_element(differences.begin(), differences.end());
    *median = middle(differences);
}

extern "C" const char *bench_shim_version(void)
{
    return BENCH_GOOGLE_VERSION;
}

extern "C" char *bench_shim_json(void)
{
    std::ostringstream text, errors;
    benchmark::JSONReporter reporter;
    reporter.SetOutputStream(&text);
    reporter.SetErrorStream(&errors);
    benchmark::BenchmarkReporter::Context context;
    reporter.ReportContext(context);
    for (const auto &entry : recorded)
        reporter.ReportRuns(entry.runs);
    reporter.Finalize();
    return strdup(text.str().c_str());
}
