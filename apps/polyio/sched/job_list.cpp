#include "sched/job_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
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

std::expected<sched::JobSpec, std::string> parse_job(const std::vector<std::string_view>& words) {
  if (words.size() < 3) {
    return std::unexpected("a job is: name arrival burst [io burst ...]");
  }
  if (!is_name(words[0])) {
    return std::unexpected(fmt::format("a name has at most {} printable bytes", longest_name));
  }
  if (words.size() % 2 == 0) {
    return std::unexpected("the last I/O has no burst after it");
  }
  sched::JobSpec job;
  job.name = words[0];
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

}  // namespace

std::expected<std::vector<sched::JobSpec>, std::string> parse_jobs(std::string_view text) {
  std::vector<sched::JobSpec> jobs;
  std::set<std::string> names;
  std::size_t bursts = 0;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto words = words_of(line);
    if (words.empty() || words[0].front() == '#') continue;
    const auto wrong = [number](std::string_view why) {
      return std::unexpected(fmt::format("line {}: {}", number, why));
    };
    auto job = parse_job(words);
    if (!job) return wrong(job.error());
    if (!names.insert(job->name).second) {
      return wrong(fmt::format("there is a job '{}' already", job->name));
    }
    bursts += job->bursts.size();
    if (jobs.size() == most_jobs) return wrong(fmt::format("more than {} jobs", most_jobs));
    if (bursts > most_bursts) return wrong(fmt::format("more than {} bursts", most_bursts));
    jobs.push_back(std::move(*job));
  }
  if (jobs.empty()) return std::unexpected("there is no job: name arrival burst [io burst ...]");
  return jobs;
}

}  // namespace polyio::app
