#include <polyio/process/error.hpp>
#include <string>

namespace polyio::process {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "polyio.process"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::already_started: return "it has been started already, and runs once";
      case Errc::not_started: return "it has not been started";
      case Errc::not_our_child: return "it is not a child of this process";
      case Errc::too_late: return "this can be set only before start()";
      case Errc::no_target: return "it has neither a function to run nor a run() of its own";
      case Errc::daemon_has_children: return "daemonic processes are not allowed to have children";
      case Errc::threads_running:
        return "this process has other threads and can't fork: start it by spawn, or before them";
      case Errc::needs_begin:
        return "spawn needs process::begin(argc, argv) as the first line of main()";
      case Errc::target_not_sendable:
        return "spawn runs a function or a lambda without captures, of this program: start this "
               "one by fork";
      case Errc::argument_not_sendable:
        return "an argument can't be serialised: give it a serialize(), or start by fork";
      case Errc::joins_itself: return "a thread can't wait for its own end";
      case Errc::worker_died:
        return "the worker process died while it ran this: a crash, or killed from outside";
    }
    return "unknown error";
  }
  std::error_condition default_error_condition(int value) const noexcept override {
    if (static_cast<Errc>(value) == Errc::threads_running) {
      return std::errc::device_or_resource_busy;
    }
    return {value, *this};
  }
};

}  // namespace

const std::error_category& category() noexcept {
  static const Category category;
  return category;
}

}  // namespace polyio::process
