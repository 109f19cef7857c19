#include <signal.h>

#include <algorithm>
#include <polyio/process/worker_set.hpp>

namespace polyio::process {

using Worker = WorkerSet::Worker;

// The worker's place is made before there is a process: afterwards nothing may throw.
Result<Worker*> WorkerSet::fork(const Body& body, bool with_channel) {
  os::Channel channel;
  if (with_channel) {
    auto made = os::make_channel();
    if (!made) return fail(made.error());
    channel = std::move(*made);
  }
  std::list<Worker> made(1);
  // Of descriptors that the child holds too, the peers would not see the end.
  auto process = os::fork_child([&] {
    channel.ours.reset();
    workers_.clear();
    return body(std::move(channel.theirs));
  });
  if (!process) return fail(process.error());
  return admit(std::move(made), std::move(*process), std::move(channel.ours));
}

Result<Worker*> WorkerSet::add(os::ChildProcess process, os::UniqueFd channel) {
  return admit(std::list<Worker>(1), std::move(process), std::move(channel));
}

Result<Worker*> WorkerSet::admit(std::list<Worker> made, os::ChildProcess process,
                                 os::UniqueFd channel) {
  Worker& worker = made.front();
  worker.id = next_id_++;
  worker.process = std::move(process);
  worker.channel = std::move(channel);
  worker.born = monotonic_now();
  if (const auto error = watch(worker)) {
    worker.process.signal(SIGKILL);
    (void)worker.process.wait();
    return fail(error);
  }
  workers_.splice(workers_.end(), made);
  return &worker;
}

// The data of its pidfd is twice its id, that of its channel one more.
std::error_code WorkerSet::watch(const Worker& worker) {
  const int pidfd = worker.process.fd();
  auto key = selector_.register_fd(pidfd, event_read, worker.id * 2);
  if (!key || !worker.channel) return key ? std::error_code() : key.error();
  key = selector_.register_fd(worker.channel.get(), event_read, worker.id * 2 + 1);
  if (key) return {};
  (void)selector_.unregister(pidfd);
  return key.error();
}

bool WorkerSet::handle(const SelectorEvent& event) {
  Worker* const worker = find(event.key.data / 2);
  if (!worker) return false;
  if (event.key.data % 2 == 0) {
    reap(*worker);
    return true;
  }
  auto message = os::receive_message(worker->channel.get(), false);
  if (!message) return true;
  if (message->byte != 0) {
    owner_.on_message(*worker, message->byte);
  } else {  // it ends: the pidfd says how
    (void)selector_.unregister(worker->channel.get());
  }
  return true;
}

Worker* WorkerSet::find(std::uint64_t id) noexcept {
  const auto found = std::ranges::find(workers_, id, &Worker::id);
  return found == workers_.end() ? nullptr : &*found;
}

void WorkerSet::reap(Worker& worker) {
  (void)selector_.unregister(worker.process.fd());
  if (worker.channel) (void)selector_.unregister(worker.channel.get());
  const os::ExitStatus status = worker.process.wait();
  const bool crashed = status.signal != 0 ? !worker.asked_to_end : status.code != 0;
  owner_.on_end(worker, status, crashed);
  workers_.remove_if([&](const Worker& one) { return &one == &worker; });
}

void WorkerSet::ask_to_end(Worker& worker, int signal, Deadline deadline) noexcept {
  worker.asked_to_end = true;
  worker.kill_at = std::min(worker.kill_at, deadline);
  kill_at_ = std::min(kill_at_, worker.kill_at);
  worker.process.signal(signal);
}

void WorkerSet::ask_all_to_end(int signal, Deadline deadline) noexcept {
  for (Worker& worker : workers_) ask_to_end(worker, signal, deadline);
}

std::size_t WorkerSet::kill_overdue() noexcept {
  const TimePoint now = monotonic_now();
  if (kill_at_ > now) return 0;
  kill_at_ = never;
  std::size_t killed = 0;
  for (Worker& worker : workers_) {
    if (worker.kill_at <= now) {
      worker.kill_at = never;
      worker.process.signal(SIGKILL);
      ++killed;
    }
    kill_at_ = std::min(kill_at_, worker.kill_at);
  }
  return killed;
}

void WorkerSet::kill_all() noexcept {
  for (Worker& worker : workers_) {
    (void)selector_.unregister(worker.process.fd());
    if (worker.channel) (void)selector_.unregister(worker.channel.get());
    worker.process.signal(SIGKILL);
    (void)worker.process.wait();
  }
  workers_.clear();
}

}  // namespace polyio::process
