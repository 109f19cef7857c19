#include "sched/job_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iostream>
#include <polyio/base/text.hpp>
#include <set>

namespace polyio::app {
namespace {

constexpr sched::Span longest = 1'000'000'000;
constexpr std::size_t most_jobs = 10'000, most_bursts = 100'000, longest_name = 32;

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view space = " \t\r";
  for (std::size_t at = line.find_first_not_of(space); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(space, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(space, end);
  }
  return words;
}

std::expected<sched::Span, std::string> number(std::string_view word, sched::Span least) {
  sched::Span value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value < least ||
      value > longest) {
    return std::unexpected(fmt::format("'{}' is no whole number from {} to {}",
                                       escape_for_log(word, 40), least, longest));
  }
  return value;
}

// Fit for a terminal, for JSON and for XML, which has no U+FFFE and U+FFFF.
bool is_name(std::string_view word) {
  return word.size() <= longest_name && escape_for_log(word) == word &&
         word.find("\uFFFE") == word.npos && word.find("\uFFFF") == word.npos;
}

// The first word, without the mark of those that are not pre-empted.
std::expected<void, std::string> set_name(sched::JobSpec& job, std::string_view word) {
  if (word.size() > 1 && word.back() == '!') {
    job.preemptible = false;
    word.remove_suffix(1);
  }
  if (!is_name(word)) {
    return std::unexpected(fmt::format("a name has at most {} printable bytes", longest_name));
  }
  job.name = word;
  return {};
}

std::expected<sched::JobSpec, std::string> parse_job(const std::vector<std::string_view>& words) {
  if (words.size() < 3) {
    return std::unexpected("a job is: name arrival burst [io burst ...]");
  }
  sched::JobSpec job;
  if (auto named = set_name(job, words[0]); !named) return std::unexpected(named.error());
  if (words.size() % 2 == 0) {
    return std::unexpected("the last I/O has no burst after it");
  }
  if (!job.preemptible && words.size() > 3) {
    return std::unexpected("a job that keeps the processor has one burst");
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto value = number(words[i], i == 1 ? 0 : 1);
    if (!value) return std::unexpected(value.error());
    if (i == 1) {
      job.arrival = *value;
    } else {
      job.bursts.push_back(*value);
    }
  }
  return job;
}

std::expected<CommandSpec, std::string> parse_command(const std::vector<std::string_view>& words,
                                                      std::string_view line) {
  if (words.size() < 3) return std::unexpected("a job is: name arrival[:burst] command");
  CommandSpec spec;
  if (auto named = set_name(spec.job, words[0]); !named) return std::unexpected(named.error());
  const auto colon = words[1].find(':');
  const auto arrival = number(words[1].substr(0, colon), 0);
  if (!arrival) return std::unexpected(arrival.error());
  spec.job.arrival = *arrival * 1000;
  if (colon != std::string_view::npos) {
    const auto burst = number(words[1].substr(colon + 1), 1);
    if (!burst) return std::unexpected(burst.error());
    spec.job.guess = *burst * 1000;
  }
  spec.command = line.substr(static_cast<std::size_t>(words[2].data() - line.data()));
  while (spec.command.back() == '\r') spec.command.pop_back();
  if (spec.command.find('\0') != std::string::npos) {
    return std::unexpected("a command has no zero byte");
  }
  return spec;
}

// `parse(words, line)` for each line that is a job; `take(job)` answers what is wrong with it.
std::expected<void, std::string> for_each_line(std::string_view text, auto parse, auto take) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto words = words_of(line);
    if (words.empty() || words[0].front() == '#') continue;
    auto job = parse(words, line);
    const std::string wrong = job ? take(std::move(*job)) : job.error();
    if (!wrong.empty()) return std::unexpected(fmt::format("line {}: {}", number, wrong));
  }
  return {};
}

class Names {
 public:
  // What is wrong with one more job of this name.
  std::string add(const std::string& name) {
    if (!names_.insert(name).second) return fmt::format("there is a job '{}' already", name);
    return names_.size() > most_jobs ? fmt::format("more than {} jobs", most_jobs) : "";
  }

 private:
  std::set<std::string> names_;
};

}  // namespace

std::expected<std::vector<sched::JobSpec>, std::string> parse_jobs(std::string_view text) {
  std::vector<sched::JobSpec> jobs;
  Names names;
  std::size_t bursts = 0;
  const auto parse = [](const auto& words, std::string_view) { return parse_job(words); };
  const auto read = for_each_line(text, parse, [&](sched::JobSpec job) {
    if (auto wrong = names.add(job.name); !wrong.empty()) return wrong;
    bursts += job.bursts.size();
    if (bursts > most_bursts) return fmt::format("more than {} bursts", most_bursts);
    jobs.push_back(std::move(job));
    return std::string();
  });
  if (!read) return std::unexpected(read.error());
  if (jobs.empty()) return std::unexpected("there is no job: name arrival burst [io burst ...]");
  return jobs;
}

std::expected<std::vector<CommandSpec>, std::string> parse_commands(std::string_view text) {
  std::vector<CommandSpec> jobs;
  Names names;
  const auto read = for_each_line(text, parse_command, [&](CommandSpec spec) {
    auto wrong = names.add(spec.job.name);
    if (wrong.empty()) jobs.push_back(std::move(spec));
    return wrong;
  });
  if (!read) return std::unexpected(read.error());
  if (jobs.empty()) return std::unexpected("there is no job: name arrival[:burst] command");
  return jobs;
}

std::string read_list(const std::string& path) {
  constexpr std::size_t most = 4'000'000;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& from = path == "-" ? std::cin : file;
  std::string text(most + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(from.gcount()));
  if (!from.eof() && text.size() <= most) {
    throw std::runtime_error(fmt::format("can't read {}", escape_for_log(path)));
  }
  if (text.size() > most) {
    throw std::runtime_error(fmt::format("{} has more than {} bytes", escape_for_log(path), most));
  }
  return text;
}

}  // namespace polyio::app
