// Zygote: a process with one thread that forks worker processes for its parent, which may have any
// number of threads: fork(2) copies one thread and the locks of all. The workers die with the
// zygote, and the zygote with its parent, by kill -9 too. A worker that ends is reaped by the
// zygote; the parent holds its pidfd, so a signal never hits a process that has reused its number.
#pragma once

#include <functional>
#include <polyio/linux/process.hpp>
#include <polyio/process/pipe.hpp>
#include <polyio/process/process.hpp>

namespace polyio::process {

class Zygote {
 public:
  // What a worker runs; `place` is the number it was asked for with. Its exit code.
  using Body = std::function<int(std::uint32_t place)>;
  struct Worker {
    std::uint32_t place = 0;
    int error = 0;  // an errno value: it could not be started
    os::ChildProcess process;

    void kill() const noexcept;
    void save(serial::Writer& writer) const;
    void load(serial::Reader& reader);
  };

  // Empty: only to be assigned to.
  Zygote() = default;
  // Starts it: it runs `main(control, arguments...)`, which calls serve(). Errors: those of
  // Process::start().
  template <class... Arguments>
  static Result<Zygote> start(Method method, int (*main)(Connection, Arguments...),
                              std::type_identity_t<Arguments>... arguments) {
    auto pipe = make_pipe();
    if (!pipe) return fail(pipe.error());
    Zygote made;
    made.control_ = std::move(pipe->first);
    made.process_ = Process({.name = "Zygote", .daemon = true, .method = method}, main,
                            std::move(pipe->second), std::move(arguments)...);
    if (auto started = made.process_->start(); !started) return fail(started.error());
    return made;
  }
  // In the zygote: forks a worker for each place that is asked for, until end(). Their exit code.
  static int serve(Connection control, const Body& body);

  // Asks for a worker; the answer comes over fileno(). Errors: EPIPE, the zygote has died.
  Result<> ask(std::uint32_t place);
  // The next answer. Errors: timed_out; end_of_file, ECONNRESET, the zygote has died.
  Result<Worker> receive(Deadline deadline = never) { return control_.receive<Worker>(deadline); }
  int fileno() const noexcept { return control_.fileno(); }
  // Kills the workers, and returns when the zygote has ended.
  void end() noexcept;

 private:
  Connection control_;
  std::optional<Process> process_;
};

}  // namespace polyio::process
