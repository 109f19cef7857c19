#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <polyio/process/worker_set.hpp>
#include <polyio/process/zygote.hpp>
#include <polyio/selectors/poll_selector.hpp>

namespace polyio::process {
namespace {

constexpr std::uint32_t end_message = UINT32_MAX;
constexpr std::uint64_t control_data = 0, first_worker = 2;

// Nothing to do: its parent has its pidfd, too.
struct Reaper final : WorkerSet::Owner {
  void on_message(WorkerSet::Worker&, char) override {}
  void on_end(WorkerSet::Worker&, const os::ExitStatus&, bool) override {}
};

// The signals that os::fork_child() holds back for servers end a worker at once.
void become_worker(pid_t zygote) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != zygote) ::_exit(0);  // it died before that
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void Zygote::Worker::kill() const noexcept { process.signal(SIGKILL); }

void Zygote::Worker::save(serial::Writer& writer) const {
  writer(place, error, process.pid());
  if (error == 0) writer.add_descriptor(process.fd());
}

void Zygote::Worker::load(serial::Reader& reader) {
  pid_t pid = 0;
  reader(place, error, pid);
  if (error == 0) process = {pid, os::UniqueFd(reader.take_descriptor())};
}

int Zygote::serve(Connection control, const Body& body) {
  // A terminal sends them to all; the parent decides what they mean.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  PollSelector selector;
  Reaper reaper;
  WorkerSet workers(selector, first_worker, reaper);
  if (!selector.register_fd(control.fileno(), event_read, control_data)) return 1;
  const auto fork = [&, zygote = ::getpid()](std::uint32_t place) {
    return workers.fork(
        [&](os::UniqueFd) {
          control.close();
          become_worker(zygote);
          return body(place);
        },
        false);
  };
  for (std::array<SelectorEvent, 16> events;;) {
    auto count = selector.select(events);
    if (!count) return 1;
    for (const SelectorEvent& event : std::span(events).first(*count)) {
      if (event.key.data != control_data) {
        workers.handle(event);
        continue;
      }
      auto place = control.receive<std::uint32_t>();
      if (!place || *place == end_message) return 0;
      Worker made;
      made.place = *place;
      if (auto worker = fork(*place)) {
        made.process = std::move((*worker)->process);
        auto sent = control.send(made);
        (*worker)->process = std::move(made.process);
        if (!sent) return 0;
      } else {
        made.error = worker.error().value();
        if (!control.send(made)) return 0;
      }
    }
  }
}

Result<> Zygote::ask(std::uint32_t place) { return control_.send(place); }

void Zygote::end() noexcept {
  if (!process_) return;
  try {
    (void)control_.send(end_message);
  } catch (const std::bad_alloc&) {
    (void)process_->kill();
  }
  if (!process_->join(deadline_after(monotonic_now(), std::chrono::seconds(5)))) {
    (void)process_->kill();  // it is stopped, say
    (void)process_->join();
  }
  process_.reset();
}

}  // namespace polyio::process
