#include <polyio/base/result.hpp>
#include <string>

namespace polyio {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "polyio"; }
  std::string message(int value) const override {
    switch (static_cast<Errc>(value)) {
      case Errc::concurrency_unavailable: return "no second task can run here";
      case Errc::end_of_file: return "the peer finished early";
      case Errc::model_unavailable: return "the I/O model is not available on this machine";
      case Errc::invalid_option: return "invalid option";
      case Errc::line_too_long: return "line too long";
      case Errc::protocol_error: return "protocol error";
    }
    return "unknown error";
  }
};

}  // namespace

const std::error_category& polyio_category() noexcept {
  static const Category category;
  return category;
}

}  // namespace polyio
