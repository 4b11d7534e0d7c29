// The leaky memory along time on a CPU (leaky_memory.py has the formula): one small product a frame, then one loop over
// channels and values in place of a dozen operations. Compiled on first use; ``heard`` float32 or bfloat16, sums in float32.
#include <torch/extension.h>

#include <algorithm>
#include <cmath>
#include <tuple>

constexpr float LARGEST = 32.f;  // as in leaky_memory.py

template <typename Number>
static void remember(const at::Tensor& heard, const at::Tensor& bias, const at::Tensor& recall, at::Tensor& memory,
                     at::Tensor& gates) {
  const int64_t width = recall.size(1), frames = heard.size(1), values = heard.size(2);
  auto before = at::zeros({width, values}, recall.options());
  auto product = at::empty({2 * width, values}, recall.options());
  const Number* h = heard.data_ptr<Number>();
  const float* offset = bias.data_ptr<float>();
  Number* g = gates.data_ptr<Number>();
  Number* m = memory.data_ptr<Number>();
  for (int64_t frame = 0; frame < frames; frame++) {
    at::mm_out(product, recall, before);
    for (int64_t channel = 0; channel < width; channel++) {
      const int64_t leak_at = (channel * frames + frame) * values, news_at = ((channel + width) * frames + frame) * values;
      const float* from_leak = product.data_ptr<float>() + channel * values;
      const float* from_news = product.data_ptr<float>() + (channel + width) * values;
      float* last = before.data_ptr<float>() + channel * values;
      const float leak_bias = offset[channel], news_bias = offset[channel + width];
#pragma GCC ivdep
      for (int64_t i = 0; i < values; i++) {
        const float leak = 1.f / (1.f + __builtin_expf(-((float)h[leak_at + i] + leak_bias + from_leak[i])));
        const float news = (float)h[news_at + i] + news_bias + from_news[i];
        const float now = std::min(std::max(last[i] + leak * (news - last[i]), -LARGEST), LARGEST);
        g[leak_at + i] = leak;
        g[news_at + i] = news;
        m[leak_at + i] = now;
        last[i] = now;
      }
    }
  }
}

template <typename Number>
static void differentiate(const at::Tensor& gradient, const at::Tensor& gates, const at::Tensor& memory,
                          const at::Tensor& recall, at::Tensor& of_heard) {
  const int64_t width = recall.size(1), frames = gates.size(1), values = gates.size(2);
  auto carried = at::zeros({width, values}, recall.options());
  auto of_gate = at::empty({2 * width, values}, recall.options());
  const auto back = recall.t().contiguous();
  const auto nothing = at::zeros({values}, memory.options());
  const Number* d = gradient.data_ptr<Number>();
  const Number* g = gates.data_ptr<Number>();
  const Number* m = memory.data_ptr<Number>();
  Number* o = of_heard.data_ptr<Number>();
  for (int64_t frame = frames - 1; frame >= 0; frame--) {
    for (int64_t channel = 0; channel < width; channel++) {
      const int64_t leak_at = (channel * frames + frame) * values, news_at = ((channel + width) * frames + frame) * values;
      const Number* before = frame ? m + leak_at - values : nothing.data_ptr<Number>();
      float* rest = carried.data_ptr<float>() + channel * values;
      float* of_leak = of_gate.data_ptr<float>() + channel * values;
      float* of_news = of_gate.data_ptr<float>() + (channel + width) * values;
#pragma GCC ivdep
      for (int64_t i = 0; i < values; i++) {
        const bool is_free = std::abs((float)m[leak_at + i]) < LARGEST;
        const float total = is_free ? rest[i] + (float)d[leak_at + i] : 0.f, leak = (float)g[leak_at + i];
        const float to_news = total * leak;
        const float to_leak = to_news * ((float)g[news_at + i] - (float)before[i]) * (1.f - leak);
        of_leak[i] = to_leak;
        of_news[i] = to_news;
        o[leak_at + i] = to_leak;
        o[news_at + i] = to_news;
        rest[i] = total - to_news;
      }
    }
    at::addmm_out(carried, carried, back, of_gate);
  }
}

std::tuple<at::Tensor, at::Tensor> forward(const at::Tensor& heard, const at::Tensor& bias, const at::Tensor& recall) {
  auto gates = at::empty_like(heard);
  auto memory = at::empty({recall.size(1), heard.size(1), heard.size(2)}, heard.options());
  if (heard.scalar_type() == at::kBFloat16)
    remember<at::BFloat16>(heard, bias, recall, memory, gates);
  else
    remember<float>(heard, bias, recall, memory, gates);
  return {memory, gates};
}

at::Tensor backward(const at::Tensor& gradient, const at::Tensor& gates, const at::Tensor& memory, const at::Tensor& recall) {
  auto of_heard = at::empty_like(gates);
  if (gates.scalar_type() == at::kBFloat16)
    differentiate<at::BFloat16>(gradient, gates, memory, recall, of_heard);
  else
    differentiate<float>(gradient, gates, memory, recall, of_heard);
  return of_heard;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("forward", &forward);
  m.def("backward", &backward);
}
