#include "logging.hpp"

#include <pthread.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <polyio/os/signals.hpp>

#include <string>

namespace polyio::app {
namespace {

const std::string& thread_name() {
  thread_local const std::string name = [] {
    char text[16] = "";
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    return std::string(text);
  }();
  return name;
}

}  // namespace

std::function<void(std::string_view)> start_log() {
  spdlog::init_thread_pool(8192, 1, [] { os::name_thread("log"); });
  auto log = spdlog::create_async_nb<spdlog::sinks::stderr_sink_mt>("polyio");
  log->set_pattern("%Y-%m-%d %H:%M:%S,%e %v");
  log->flush_on(spdlog::level::info);
  return [log](std::string_view line) {
    log->info("{} {} {}", thread_name(), spdlog::details::os::thread_id(), line);
  };
}

void stop_log() { spdlog::shutdown(); }

}  // namespace polyio::app
