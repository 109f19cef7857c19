#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <new>

#include "layer.hpp"

namespace polyio::tls {
namespace {

Layer& layer_of(BIO* bio) noexcept { return *static_cast<Layer*>(BIO_get_data(bio)); }

int read_some(BIO* bio, char* data, std::size_t size, std::size_t* taken) noexcept {
  BIO_clear_retry_flags(bio);
  *taken = layer_of(bio).take_input(std::as_writable_bytes(std::span(data, size)));
  if (*taken == 0) BIO_set_retry_read(bio);
  return *taken > 0;
}

int write_all(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept {
  BIO_clear_retry_flags(bio);
  *written = layer_of(bio).add_output(std::as_bytes(std::span(data, size))) ? size : 0;
  return *written > 0;
}

long control(BIO*, int what, long, void*) noexcept { return what == BIO_CTRL_FLUSH; }

BIO_METHOD* make_method() {
  BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "polyio");
  if (!method) throw std::bad_alloc();
  BIO_meth_set_read_ex(method, read_some);
  BIO_meth_set_write_ex(method, write_all);
  BIO_meth_set_ctrl(method, control);
  return method;
}

}  // namespace

Layer::Layer(SSL_CTX& context, std::string_view first, std::shared_ptr<const void> kept)
    : Timer([](Timer& timer) { static_cast<Layer&>(timer).say_again(); }),
      kept_(std::move(kept)),
      first_(first),
      unread_(std::as_bytes(std::span(first_))),
      ssl_(SSL_new(&context)) {
  static BIO_METHOD* const method = make_method();
  BIO* const bio = ssl_ ? BIO_new(method) : nullptr;
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl(), bio, bio);
}

std::size_t Layer::take_input(std::span<std::byte> room) noexcept {
  const std::size_t count = std::min(room.size(), unread_.size());
  std::copy_n(unread_.begin(), count, room.begin());
  unread_ = unread_.subspan(count);
  partial_ += count;
  if (unread_.empty()) {
    received_.reset();
    first_ = {};
  }
  return count;
}

bool Layer::add_output(std::span<const std::byte> bytes) noexcept try {
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return true;
} catch (const std::bad_alloc&) {
  ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
  return false;
}

}  // namespace polyio::tls
