#include "terminal.hpp"

#include <fmt/format.h>
#include <histedit.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <cwchar>
#include <polyio/base/text.hpp>
#include <polyio/os/file.hpp>
#include <polyio/selectors/poll_selector.hpp>

namespace polyio::app {
namespace {

using namespace std::chrono_literals;

constexpr auto sequence_patience = 100ms;  // between the bytes that one key sends
constexpr int history_size = 1000;
wchar_t prompt_text[] = L">>> ";
constexpr int prompt_width = 4;

// Whether `text` is the start of a character or of "\r\n" whose rest is still to come.
bool unfinished(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const bool alone = lead < 0xc2 || lead > 0xf4;
  const std::size_t length = alone ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80u; };
  return text == "\r" || (text.size() < length && std::ranges::all_of(text.substr(1), continues));
}

bool printable(char32_t c) noexcept {
  return c == '\n' || !(is_control(c) || is_line_separator(c) || is_direction_control(c));
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<unsigned char>(c));
  }
}

// The column behind `text`, which starts at `column`, were the terminal endlessly wide.
int column_after(int column, const wchar_t* text, const wchar_t* end) noexcept {
  for (; text < end; ++text) {
    if (*text == L'\t') {
      column += 8 - column % 8;
    } else {
      const int width = ::wcwidth(*text);
      column += width < 0 ? 2 : width;  // libedit shows a control character as ^X
    }
  }
  return column;
}

}  // namespace

std::string Printable::take(std::string_view bytes) {
  rest_ += bytes;
  std::string out;
  std::string_view text = rest_;
  while (!text.empty() && !unfinished(text)) {
    if (text.starts_with("\r\n")) text.remove_prefix(1);
    const CodePoint c = first_code_point(text);
    const std::string_view piece = text.substr(0, std::max<std::size_t>(c.length, 1));
    if (c.length > 0 && printable(c.value)) {
      out += piece;
    } else {
      append_escaped(out, piece);
    }
    text.remove_prefix(piece.size());
  }
  rest_.erase(0, rest_.size() - text.size());
  return out;
}

std::string Printable::finish() {
  std::string out;
  append_escaped(out, rest_);
  rest_.clear();
  return out;
}

struct Prompt::State {
  EditLine* edit = nullptr;
  History* history = nullptr;
  std::string keys;  // read, not yet taken by libedit
  bool ended = false;

  // Reads what is there; false: nothing, and no more will come.
  bool read_keys() {
    std::array<std::byte, 4096> room;
    const auto count = os::read(standard_input, room);
    if (!count && count.error() == std::errc::resource_unavailable_try_again) return true;
    ended = count.value_or(0) == 0;
    if (!ended) keys.append(reinterpret_cast<const char*>(room.data()), *count);
    return !ended;
  }

  // The rest of what a key sends comes at once or never.
  bool read_soon() {
    PollSelector selector;
    if (!selector.register_fd(standard_input, event_read)) return false;
    const auto events = selector.select(sequence_patience);
    return events && !events->empty() && read_keys();
  }

  // libedit asks for one character; 0: there is none.
  static int next_character(EditLine* edit, wchar_t* character) {
    void* data = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &data);
    State& s = *static_cast<State*>(data);
    for (;;) {
      if (s.keys.empty() && !s.read_soon()) return 0;
      std::mbstate_t state{};
      // NOLINTNEXTLINE(concurrency-mt-unsafe): it is safe, with a state of one's own
      const std::size_t length = std::mbrtowc(character, s.keys.data(), s.keys.size(), &state);
      if (length == static_cast<std::size_t>(-2)) {
        if (!s.read_soon()) s.keys.clear();
      } else if (length == static_cast<std::size_t>(-1)) {
        s.keys.erase(0, 1);
      } else {
        s.keys.erase(0, std::max<std::size_t>(length, 1));
        return 1;
      }
    }
  }

  // Hands libedit one key; true: `line` is finished.
  bool edit_one(std::string& line) {
    int count = 0;
    const char* text = ::el_gets(edit, &count);
    if (!text || count < 1 || (text[count - 1] != '\n' && text[count - 1] != '\r')) return false;
    line.assign(text, static_cast<std::size_t>(count - 1));
    return true;
  }

  // Takes the prompt and the line being typed off the screen.
  void erase() const {
    const LineInfoW* line = ::el_wline(edit);
    int columns = 80;
    ::el_get(edit, EL_GETTC, "co", &columns);
    const int row = column_after(prompt_width, line->buffer, line->cursor) / std::max(columns, 1);
    if (row > 0) fmt::print("\x1b[{}A", row);
    fmt::print("\r\x1b[J");
  }
};

bool Prompt::possible() {
  const char* const kind = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): never set
  return os::is_terminal(standard_input) && os::is_terminal(standard_output) && kind &&
         std::string_view(kind) != "" && std::string_view(kind) != "dumb";
}

Prompt::Prompt() : state_(std::make_unique<State>()) {
  State& s = *state_;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread looks at the locale
  std::setlocale(LC_CTYPE, "C.UTF-8");  // libedit draws what the locale can encode
  s.edit = ::el_init("polyio", stdin, stdout, stderr);
  s.history = ::history_init();
  HistEvent event;
  ::history(s.history, &event, H_SETSIZE, history_size);
  ::history(s.history, &event, H_SETUNIQUE, 1);
  ::el_set(s.edit, EL_CLIENTDATA, state_.get());
  ::el_set(s.edit, EL_GETCFN, static_cast<el_rfunc_t>(State::next_character));
  ::el_wset(s.edit, EL_PROMPT, +[](EditLine*) { return prompt_text; });
  ::el_set(s.edit, EL_EDITOR, "emacs");
  ::el_set(s.edit, EL_HIST, ::history, s.history);
  // Their commands wait for further keys, and what the server sends would wait meanwhile.
  for (const char* key : {"^R", "^S", "^V", "^Q"}) {
    ::el_set(s.edit, EL_BIND, "-r", key, nullptr);
  }
  ::el_set(s.edit, EL_UNBUFFERED, 1);
}

Prompt::~Prompt() {
  State& s = *state_;
  s.erase();
  std::fflush(stdout);
  ::el_set(s.edit, EL_UNBUFFERED, 0);
  ::el_end(s.edit);
  ::history_end(s.history);
}

Prompt::Typed Prompt::read() {
  State& s = *state_;
  Typed typed;
  s.read_keys();
  while (!s.keys.empty() && !typed.ended) {
    constexpr char end_key = 4;  // Ctrl-D
    std::string line;
    const LineInfoW* const typing = ::el_wline(s.edit);
    if (s.keys.front() == end_key && typing->lastchar == typing->buffer) {
      typed.ended = true;
    } else if (s.edit_one(line)) {
      HistEvent event;
      ::el_set(s.edit, EL_UNBUFFERED, 0);  // ends this line
      if (!line.empty()) ::history(s.history, &event, H_ENTER, line.c_str());
      ::el_set(s.edit, EL_UNBUFFERED, 1);  // and begins the next
      typed.lines.push_back(std::move(line));
    }
  }
  if (s.ended) typed.ended = true;
  return typed;
}

void Prompt::print(std::string_view lines) {
  state_->erase();
  fmt::print("{}{}", lines, lines.empty() || lines.ends_with('\n') ? "" : "\n");
  ::el_set(state_->edit, EL_REFRESH);
  std::fflush(stdout);
}

void Prompt::redraw() {
  ::el_set(state_->edit, EL_PREP_TERM, 0);
  ::el_set(state_->edit, EL_PREP_TERM, 1);
  ::el_resize(state_->edit);
  print({});
}

}  // namespace polyio::app
