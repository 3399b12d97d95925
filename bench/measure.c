/* What is measured with: time, latencies, CPU, bytes, memory, and the machine's name. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

uint64_t bench_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- latencies ---------------------------------------------------------------------------------------------- */

/* Below 64 a bucket a value; then 64 buckets for each doubling. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < 64)
		return (unsigned)ns;
	unsigned shift = 57 - (unsigned)__builtin_clzll(ns);
	unsigned bucket = 64 * shift + (unsigned)(ns >> shift);
	return bucket < BENCH_BUCKETS ? bucket : BENCH_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < 128)
		return bucket;
	unsigned shift = bucket / 64 - 1;
	return ((uint64_t)(bucket % 64 + 65) << shift) - 1;
}

void bench_record(bench_histogram *histogram, uint64_t ns)
{
	histogram->counts[bucket_of(ns)]++;
	histogram->count++;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
}

void bench_merge(bench_histogram *into, const bench_histogram *from)
{
	for (unsigned i = 0; i < BENCH_BUCKETS; i++)
		into->counts[i] += from->counts[i];
	into->count += from->count;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
}

double bench_percentile_us(const bench_histogram *histogram, double share)
{
	if (!histogram->count)
		return NAN;
	uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
	uint64_t seen = histogram->counts[0];
	unsigned bucket = 0;
	while (seen < wanted) /* which all of them are together */
		seen += histogram->counts[++bucket];
	uint64_t end = bucket_end(bucket);
	return (double)(end < histogram->max_ns ? end : histogram->max_ns) / 1000;
}

/* ---- the process -------------------------------------------------------------------------------------------- */

/* The number behind `name` in a file of /proc, or NaN. */
static double proc_number(const char *path, const char *name)
{
	char line[256];
	double number = NAN;
	FILE *file = fopen(path, "r");
	if (!file)
		return NAN;
	while (isnan(number) && fgets(line, sizeof line, file))
		if (strncmp(line, name, strlen(name)) == 0)
			number = strtod(line + strlen(name), NULL);
	fclose(file);
	return number;
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static bench_usage of_others;

void bench_usage_add(bench_usage more)
{
	of_others.cpu_seconds += more.cpu_seconds;
	of_others.written_bytes += more.written_bytes;
}

bench_usage bench_usage_now(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (bench_usage){ seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime) + of_others.cpu_seconds,
		              proc_number("/proc/self/io", "write_bytes:") + of_others.written_bytes };
}

void bench_peak_restart(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "w");
	if (!file)
		return;
	fputs("5", file);
	fclose(file);
}

double bench_peak_bytes(void)
{
	return 1024 * proc_number("/proc/self/status", "VmHWM:");
}

static void *counting_resize(void *context, void *old, size_t old_size, size_t size)
{
	bench_memory *memory = context;
	void *block = size ? realloc(old, size) : NULL;
	if (!size)
		free(old);
	else if (!block)
		return NULL;
	int64_t change = (int64_t)size - (old ? (int64_t)old_size : 0);
	int64_t bytes = atomic_fetch_add(&memory->bytes, change) + change;
	int64_t peak = atomic_load(&memory->peak);
	while (bytes > peak && !atomic_compare_exchange_weak(&memory->peak, &peak, bytes))
		;
	return block;
}

ff_allocator bench_counting_allocator(bench_memory *memory)
{
	return (ff_allocator){ .resize = counting_resize, .context = memory };
}

/* ---- the machine -------------------------------------------------------------------------------------------- */

static void add_cpu(cJSON *machine)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "r");
	while (file && fgets(line, sizeof line, file)) {
		char *name = strstr(line, ": ");
		if (strncmp(line, "model name", 10) != 0 || !name)
			continue;
		name[strcspn(name, "\n")] = '\0';
		cJSON_AddStringToObject(machine, "cpu", name + 2);
		break;
	}
	if (file)
		fclose(file);
	if (!cJSON_HasObjectItem(machine, "cpu"))
		cJSON_AddNullToObject(machine, "cpu");
}

const char *bench_filesystem(const char *directory)
{
	static const struct {
		long magic;
		const char *name;
	} known[] = {
		{ 0xef53, "ext4" }, { 0x58465342, "xfs" },       { 0x9123683e, "btrfs" }, { 0x01021994, "tmpfs" },
		{ 0x6969, "nfs" },  { 0x794c7630, "overlayfs" }, { 0x2fc12fc1, "zfs" },   { 0x858458f6, "ramfs" },
	};
	struct statfs status;
	if (statfs(directory, &status) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].magic == (long)status.f_type)
			return known[i].name;
	return "other";
}

bool bench_is_in_memory(const char *filesystem)
{
	return filesystem && (strcmp(filesystem, "tmpfs") == 0 || strcmp(filesystem, "ramfs") == 0);
}

cJSON *bench_machine(const char *filesystem)
{
	struct utsname system;
	cJSON *machine = cJSON_CreateObject();
	uname(&system);
	cJSON_AddNumberToObject(machine, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
	add_cpu(machine);
	cJSON_AddNumberToObject(machine, "memory_bytes",
	                        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));
	cJSON_AddStringToObject(machine, "kernel", system.release);
	if (filesystem)
		cJSON_AddStringToObject(machine, "filesystem", filesystem);
	else
		cJSON_AddNullToObject(machine, "filesystem");
	return machine;
}

/* ---- spread ------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Between two neighbours by their distance. */
static double quantile(const double *sorted, size_t count, double share)
{
	double place = share * (double)(count - 1);
	size_t below = (size_t)place;
	size_t above = below + 1 < count ? below + 1 : below;
	return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

bench_spread bench_spread_of(double *values, size_t count)
{
	if (!count)
		return (bench_spread){ NAN, NAN, NAN, NAN, NAN };
	qsort(values, count, sizeof(*values), compare_doubles);
	return (bench_spread){ values[0], quantile(values, count, 0.25), quantile(values, count, 0.5),
		               quantile(values, count, 0.75), values[count - 1] };
}
