// Io: one driver in another's place. The rule: nothing changes until nothing can fail any more;
// then the driver before ends what is in flight, every operation that has not ended becomes ready,
// and is started with the new driver when its job's turn comes.
#include <polyio/io/io.hpp>

namespace polyio {

Result<> Io::set_driver(std::unique_ptr<Driver> next) try {
  POLYIO_RULE(!main_done_, "another driver is set inside run()");
  const auto handles = driver_->handles();
  if (!handles) return fail(handles.error());
  if (auto room = next->make_room(*handles); !room) return room;
  drop_retired();
  retired_.reserve(retired_.size() + 1);
  next->bind(*this);
  next->attach_thread();
  driver_->leave();
  driver_->detach_thread();
  next->take_over(*handles);
  name_lenders(*driver_);
  retired_.push_back(std::exchange(driver_, std::move(next)));
  scheduler_->driver_changed();
  look_ahead();
  return {};
} catch (const std::bad_alloc&) {
  return fail(ENOMEM);
} catch (const std::system_error& error) {
  return fail(error.code());
}

// What has been received, but not been taken by its job, which has its turn later.
void Io::name_lenders(Driver& lender) noexcept {
  for_each_job(root_, [&](Job& job) {
    const bool received = job.kind == OpKind::receive && job.state == OpState::done;
    if (received && job.leases && !job.lender) job.lender = &lender;
  });
}

bool Io::deliver_ahead(Op& op) noexcept {
  if (op.kind != OpKind::receive && op.kind != OpKind::accept) return false;
  for (const auto& driver : retired_) {
    if (!driver->deliver_ahead(op)) continue;
    if (op.leases) op.lender = driver.get();
    look_ahead();
    return true;
  }
  return false;
}

bool Io::has_ahead(Handle handle) const noexcept {
  return ahead_ && std::ranges::any_of(
                       retired_, [&](const auto& driver) { return driver->has_ahead(handle); });
}

void Io::drop_ahead(Handle handle) noexcept {
  for (const auto& driver : retired_) driver->drop_ahead(handle);
  look_ahead();
}

void Io::look_ahead() noexcept {
  ahead_ = std::ranges::any_of(retired_, [](const auto& driver) { return driver->has_ahead(); });
}

Result<os::UniqueFd> Io::release(Handle handle) {
  if (!has_ahead(handle)) return driver_->release(handle);
  close(handle);
  return fail(EBUSY);
}

// Another thread that wakes the loop may have got hold of the driver just before it was replaced.
void Io::drop_retired() noexcept {
  if (scheduler_->being_woken()) return;
  std::erase_if(retired_, [](const auto& driver) {
    const LeaseCounts out = driver->leases();
    return out.large + out.own == 0 && !driver->has_ahead();
  });
}

}  // namespace polyio
