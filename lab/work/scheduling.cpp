#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <filesystem>
#include <polyio/os/file.hpp>
#include <thread>

#include "../child.hpp"
#include "../handlers.hpp"
#include "work.hpp"

namespace polyio::lab {
namespace {

using namespace std::chrono_literals;

Nanoseconds milliseconds(double count) {
  return Nanoseconds(static_cast<std::int64_t>(count * 1e6));
}

// "name:arrival:burst[:io:burst...]" as a line of `polyio sched run`.
std::string line_of(const std::string& job, const std::string& program) {
  std::vector<std::string> words{""};
  for (const char c : job) {
    if (c == ':') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  bool good = words.size() >= 3 && words.size() % 2 == 1 && !words[0].empty() &&
              words[0].find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == words[0].npos;
  for (std::size_t i = 1; i < words.size(); ++i) {
    unsigned span = 0;
    const auto& word = words[i];
    const auto read = std::from_chars(word.data(), word.data() + word.size(), span);
    good = good && read.ec == std::errc() && read.ptr == word.data() + word.size() &&
           span <= 60'000 && (span > 0 || i == 1);
  }
  if (!good) {
    throw std::invalid_argument(
        fmt::format("{:?} is no job: NAME:ARRIVAL:BURST[:IO:BURST...], a name of small letters and "
                    "digits and whole milliseconds, 60000 at most, such as io:10:20:40:20",
                    job));
  }
  return fmt::format("{} {}:{} exec '{}' lab work burn {}\n", words[0], words[1], words[2], program,
                     fmt::join(words.begin() + 2, words.end(), " "));
}

std::string path_of_this_program() {
  std::string path = std::filesystem::read_symlink("/proc/self/exe").string();
  for (std::size_t at = 0; (at = path.find('\'', at)) != path.npos; at += 4) {
    path.replace(at, 1, R"('\'')");
  }
  return path;
}

// A file that only this process and its children can reach.
os::UniqueFd file_of(std::string_view text) {
  os::UniqueFd file(::memfd_create("jobs", 0));
  if (!file || ::write(file.get(), text.data(), text.size()) != std::ssize(text)) {
    throw std::system_error(errno, std::generic_category(), "can't keep the list of jobs");
  }
  return file;
}

// What `polyio sched run --json` says, of the run or of its simulation.
void take(Json& figures, const Json& said, const std::string& prefix) {
  double computed = 0, end = 0, given = 0;
  for (const Json& stretch : said.at("timeline")) {
    given += stretch.at(2).get<double>() - stretch.at(1).get<double>();
  }
  for (const Json& job : said.at("jobs")) {
    const auto name = prefix + job.at("name").get<std::string>();
    for (const char* const span : {"turnaround", "waiting", "response"}) {
      figures[fmt::format("{}_{}_ms", name, span)] = job.at(span);
    }
    computed += job.at("burst").get<double>();
    end = std::max(end, job.at("finish").get<double>());
  }
  for (const auto& [name, average] : said.at("averages").items()) {
    figures[fmt::format("{}{}_ms", prefix, name)] = average;
  }
  figures[prefix + "end_ms"] = end;
  figures[prefix + "given_ms"] = given;
  figures[prefix + "computed_ms"] = computed;
  figures[prefix + "lost_ms"] = end - computed;
  figures[prefix + "switches"] = said.at("switches");
}

}  // namespace

Json measure_scheduling(const SchedulingWork& work) {
  std::string list;
  const std::string program = path_of_this_program();
  for (const std::string& job : work.jobs) list += line_of(job, program);
  const os::UniqueFd file = file_of(list);
  std::vector<std::string> arguments{"sched",
                                     "run",
                                     "--json",
                                     "--policy",
                                     work.policy,
                                     "--jobs",
                                     fmt::format("/proc/self/fd/{}", file.get()),
                                     "--quantum",
                                     fmt::format("{}us", std::llround(work.quantum_ms * 1000))};
  if (work.preemptive) arguments.emplace_back("--preemptive");
  Child run({.arguments = arguments});
  std::string said;
  while (const auto line = run.read_line(600s)) said += *line + "\n";
  if (const auto status = run.wait(10s); status.code != 0 || status.signal != 0) {
    throw std::runtime_error("polyio sched run " + status.text() + ": " + run.last_words());
  }
  const Json report = Json::parse(said);
  Json figures;
  take(figures, report, "");
  if (report.at("simulated").is_object()) take(figures, report.at("simulated"), "simulated_");
  return figures;
}

void burn(const std::vector<double>& spans_ms) {
  const auto used =
      std::chrono::duration<double>(static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
  const Nanoseconds computing =
      milliseconds(spans_ms.at(0)) - std::chrono::duration_cast<Nanoseconds>(used);
  compute_for(computing);
  for (std::size_t i = 1; i + 1 < spans_ms.size(); i += 2) {
    std::this_thread::sleep_for(milliseconds(spans_ms[i]));
    compute_for(milliseconds(spans_ms[i + 1]));
  }
}

}  // namespace polyio::lab
