// What belongs to no model: names, files, signals, and finding out what this system can do.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <polyio/drivers/registry.hpp>
#include <polyio/linux/stack_sampler.hpp>
#include <polyio/os/file.hpp>
#include <polyio/os/resolve.hpp>
#include <polyio/os/signals.hpp>
#include <semaphore>

#include "drivers/uring_driver.hpp"
#include "scenarios.hpp"
#include "storm.hpp"

namespace polyio::torture {
namespace {

void names(Outcome& outcome) {
  const auto addresses = os::resolve("127.0.0.1", 80);
  if (!addresses) return outcome.error("resolve", addresses.error());
  outcome.require(addresses->size() == 1 && addresses->front().text() == "127.0.0.1:80",
                  "a wrong address");
}

void files(Outcome& outcome) {
  int ends[2];
  {
    const Exempt mine;
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
  }
  const os::UniqueFd out(ends[0]), in(ends[1]);
  const std::string_view text = "some words";
  const auto written = os::write_all(in.get(), std::as_bytes(std::span(text)));
  if (!written) return outcome.error("write_all", written.error());
  std::array<std::byte, 32> room;
  std::size_t count = 0;
  while (count < text.size()) {
    const auto got = os::read(out.get(), std::span(room).subspan(count));
    if (!got) return outcome.error("read", got.error());
    count += *got;
  }
  outcome.require(std::string_view(reinterpret_cast<char*>(room.data()), count) == text,
                  "wrong bytes");
  (void)os::may_read(STDIN_FILENO);
  os::fill_standard_descriptors();
}

void signals(Outcome& outcome) {
  std::binary_semaphore seen(0);
  const os::SignalWatcher watcher({SIGUSR2}, [&](int) { seen.release(); });
  ::kill(::getpid(), SIGUSR2);  // not raise: this thread blocks it
  seen.acquire();
  outcome.require(true, "");
}

// Where this thread is, as a watchdog asks it.
void stacks(Outcome& outcome) {
  os::StackSampler sampler;
  os::StackSample sample;
  const auto look = [](void*) noexcept { return true; };
  const bool seen =
      sampler.sample(::pthread_self(), look, nullptr, sample, std::chrono::seconds(5));
  if (!seen) return outcome.error("sample", "no answer");
  outcome.require(sample.depth > 0, "an empty stack");
}

void probe(Outcome& outcome) {
  const std::string why = probe_io_uring();
  if (!why.empty()) outcome.error("io_uring", why);
}

}  // namespace

void run_os(const Fault& fault, Outcome& outcome) {
  arm(fault);
  for (auto* const part : {names, files, signals, stacks, probe}) {
    try {
      part(outcome);
    } catch (const std::exception& error) {
      outcome.error("set-up", error.what());
    }
  }
  disarm();
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all{{"os", "-", ""}, {"process", "fork", ""}, {"process", "spawn", ""}};
  for (const ModelInfo& info : list_models()) {
    if (!info.available) continue;
    all.push_back({"io", info.model, ""});
    for (const std::string& architecture : info.architectures) {
      all.push_back({"server", info.model, architecture});
    }
  }
  return all;
}

void run_scenario(const Scenario& scenario, const Fault& fault, Outcome& outcome) {
  if (scenario.name == "io") return run_io(scenario.model, fault, outcome);
  if (scenario.name == "io-storm") {
    const unsigned before = Storm::handled();
    const Storm storm;
    for (int i = 0; i < 20; ++i) run_io(scenario.model, fault, outcome);
    return outcome.require(Storm::handled() > before + 100, "there was no storm");
  }
  if (scenario.name.starts_with("server")) return run_server(scenario, fault, outcome);
  if (scenario.name == "process") return run_process(scenario.model, fault, outcome);
  run_os(fault, outcome);
}

}  // namespace polyio::torture
