// Jobs that processes do, some of which are killed in the middle: none is lost, and each result
// counts once.
// job_farm batch JOBS WORKERS KILLS: JOBS jobs by WORKERS processes, KILLS of which are killed.
// job_farm serve ADDRESS WORKERS SECONDS_BETWEEN_KILLS [MODEL]: "N\n" over TCP is a job, its answer
// "N RESULT\n".
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <polyio/drivers/registry.hpp>
#include <polyio/exec/join.hpp>
#include <polyio/exec/queue.hpp>
#include <polyio/io/buffered_reader.hpp>
#include <polyio/io/task_group.hpp>
#include <polyio/queue/job_queue.hpp>
#include <polyio/server/server.hpp>
#include <polyio/sync/event.hpp>
#include <random>
#include <string>
#include <vector>

using namespace polyio;
using namespace std::chrono_literals;
using process::Process;

struct Order {  // a job, as the queue has it
  std::uint64_t id = 0, n = 0;
  void serialize(auto& archive) { archive(id, n); }
};
struct Done {
  std::uint64_t id = 0, result = 0;
  std::uint32_t times = 0;  // that it was begun
  void serialize(auto& archive) { archive(id, result, times); }
};
using Jobs = ipc::JobQueue<Order>;
using Answers = ipc::Queue<Done>;

std::uint64_t compute(std::uint64_t n) {  // some 100 us
  volatile std::uint64_t x = n;
  for (int i = 0; i < 50'000; ++i) x = x * 6364136223846793005u + 1442695040888963407u;
  return x;
}

// A worker's main. Killed between put() and done(), it leaves a job that is answered twice.
int work(Jobs jobs, Answers answers) {
  for (;;) {
    auto job = jobs.take();
    if (!job) return job.error() == Errc::end_of_file ? 0 : 1;
    auto put = answers.put({(*job)->id, compute((*job)->n), job->times()});
    if (!put) return 1;
    job->done();
  }
}

// More jobs are never in the queue: so there is room for each, and put() does not hold up a loop.
constexpr std::size_t most_jobs = 4096;

struct Farm {
  explicit Farm(unsigned workers)
      : jobs({.queue = {.bytes = most_jobs * 64, .largest = 48}, .jobs = 64 + workers}) {}

  Jobs jobs;
  Answers answers;
  std::vector<Process*> staff;  // at work
  std::size_t killed = 0;
  std::uint64_t begun_again = 0, answered_twice = 0;

  void kill_one() {
    if (!staff.empty()) (void)staff[killed++ % staff.size()]->kill();
  }
};

// One worker after the other, each until it is killed.
Task<> employ(Io& io, Farm& farm) {
  for (;;) {
    Process worker = Process::spawned({.daemon = true}, work, farm.jobs, farm.answers);
    if (auto started = worker.start(); !started) throw std::system_error(started.error(), "worker");
    farm.staff.push_back(&worker);
    auto ended = co_await process::join(io, worker);
    std::erase(farm.staff, &worker);
    if (!ended || worker.exitcode() == 0) co_return;  // cancelled, or no job is left
  }
}

void employ_all(Io& io, TaskGroup& group, Farm& farm, unsigned workers) {
  for (unsigned i = 0; i < workers; ++i) {
    auto spawned = group.spawn([&io, &farm] { return employ(io, farm); });
    if (!spawned) throw std::system_error(spawned.error(), "employ");
  }
}

// --- batch ---

Task<> kill_some(Io& io, Farm& farm, std::size_t kills) {
  std::mt19937 random(std::random_device{}());
  while (farm.killed < kills && !farm.jobs.closed()) {
    farm.kill_one();
    auto slept = co_await io.sleep(std::chrono::microseconds(random() % 10'000));
    if (!slept) co_return;
  }
}

using Results = std::vector<std::optional<std::uint64_t>>;

// Has all jobs done: result n is that of job n.
Task<> run_jobs(Io& io, Farm& farm, Results& results) {
  std::size_t put = 0, got = 0;
  while (got < results.size()) {
    for (; put < std::min(results.size(), got + most_jobs); ++put) {
      if (!farm.jobs.put({put, put})) break;
    }
    auto done = co_await get(io, farm.answers);
    if (!done) break;
    if (results[done->id]) {
      ++farm.answered_twice;
      continue;
    }
    results[done->id] = done->result;
    farm.begun_again += done->times - 1;
    ++got;
  }
  farm.jobs.close();
}

int batch(std::size_t count, unsigned workers, std::size_t kills) {
  Farm farm(workers);
  Results results(count);
  const auto all = [&](Io& io) -> Task<> {
    CancelScope patience(io, 60s);
    auto side_by_side = [&](TaskGroup& group) -> Task<> {
      employ_all(io, group, farm, workers);
      (void)group.spawn([&] { return kill_some(io, farm, kills); });
      co_await run_jobs(io, farm, results);
    };
    co_await with_task_group(io, side_by_side);
  };
  const auto start = monotonic_now();
  auto driver = make_driver("auto");
  if (!driver) return 1;
  Io io(std::move(*driver));
  io.run(all(io));
  const std::chrono::duration<double> seconds = monotonic_now() - start;
  std::size_t wrong = 0;  // or never answered
  for (std::size_t n = 0; n < count; ++n) wrong += results[n] != compute(n);
  fmt::print(
      "{} jobs, {} workers: {} killed, {} begun again, {} answered twice, {} wrong, {:.2f} s\n",
      count, workers, farm.killed, farm.begun_again, farm.answered_twice, wrong, seconds.count());
  return wrong > 0;
}

// --- serve ---

struct Waiting {
  Event answered;
  std::uint64_t result = 0;
};
struct Office {
  Farm farm;
  std::mutex mutex = {};  // under model blocking each client has a thread
  std::map<std::uint64_t, Waiting*> clients = {};
  std::uint64_t next = 0;
};

void settle(Office& office, const Done& done) {
  const std::lock_guard lock(office.mutex);
  const auto client = office.clients.find(done.id);
  if (client == office.clients.end() || client->second->answered.is_set()) {
    ++office.farm.answered_twice;
    return;
  }
  office.farm.begun_again += done.times - 1;
  client->second->result = done.result;
  client->second->answered.set();
}

Task<> settle_all(Io& io, Office& office) {
  for (;;) {
    auto done = co_await get(io, office.farm.answers);
    if (!done) co_return;
    settle(office, *done);
  }
}

// Beside the clients, and until the last of them has gone. `pause`: between two kills; 0: none.
Task<> run_farm(Background& background, Office& office, unsigned workers, Nanoseconds pause) {
  auto side_by_side = [&](TaskGroup& group) -> Task<> {
    Io& io = background.io();
    employ_all(io, group, office.farm, workers);
    (void)group.spawn([&] { return settle_all(io, office); });
    for (bool goes_on = true; goes_on;) {
      const bool paused = co_await background.pause(pause > 0s ? pause : 1h);
      goes_on = paused;
      if (goes_on && pause > 0s) office.farm.kill_one();
    }
    group.cancel();
  };
  co_await with_task_group(background.io(), side_by_side);
}

Task<Result<std::uint64_t>> ask(Io& io, Office& office, std::uint64_t n) {
  Waiting waiting;
  Order job{.n = n};
  {
    const std::lock_guard lock(office.mutex);
    job.id = office.next++;
    office.clients[job.id] = &waiting;
  }
  Result<> done = office.farm.jobs.put(job);
  if (done) {
    auto answered = co_await waiting.answered.wait(io);
    done = answered;
  }
  const std::lock_guard lock(office.mutex);  // settle() has let go of `waiting`
  office.clients.erase(job.id);
  if (!done) co_return fail(done.error());
  co_return waiting.result;
}

Task<> serve_client(Io& io, Stream stream, Office& office) {
  BufferedReader reader(stream);
  for (;;) {
    auto line = co_await reader.read_line(64);
    std::uint64_t n = 0;
    if (!line || std::from_chars(line->begin(), line->end(), n).ec != std::errc()) co_return;
    auto result = co_await ask(io, office, n);
    if (!result) co_return stream.reset();
    const std::string answer = fmt::format("{} {}\n", n, *result);
    auto sent = co_await stream.send_all(answer);
    if (!sent) co_return;
  }
}

int serve_jobs(std::string address, unsigned workers, Nanoseconds pause, std::string model) {
  Office office{.farm = Farm(workers)};
  const int code =
      serve({.listen = std::move(address),
             .model = std::move(model),
             .max_connections = most_jobs,
             .one_process = true,
             .background = {[&](Background& background) {
               return run_farm(background, office, workers, pause);
             }}},
            [&](Io& io, Stream stream) { return serve_client(io, std::move(stream), office); });
  fmt::print("{} jobs, {} killed, {} begun again, {} answered twice\n", office.next,
             office.farm.killed, office.farm.begun_again, office.farm.answered_twice);
  return code;
}

int main(int argc, char** argv) {
  process::begin(argc, argv);
  const std::string_view command = argc >= 5 ? argv[1] : "";
  const auto number = [&](int i) { return static_cast<unsigned>(std::atoi(argv[i])); };
  if (command == "batch") return batch(number(2), number(3), number(4));
  if (command == "serve") {
    const auto pause = Nanoseconds(static_cast<std::int64_t>(std::atof(argv[4]) * 1e9));
    return serve_jobs(argv[2], number(3), pause, argc > 5 ? argv[5] : "auto");
  }
  fmt::print(stderr,
             "usage: job_farm batch JOBS WORKERS KILLS\n"
             "       job_farm serve ADDRESS WORKERS SECONDS_BETWEEN_KILLS [MODEL]\n");
  return 2;
}
