import gradio as gr

with gr.Blocks(title="hello from gradio") as demo:
    name = gr.Textbox(label="Name")
    greeting = gr.Textbox(label="Greeting")
    name.change(lambda text: f"Hello, {text}", name, greeting)

if __name__ == "__main__":
    demo.launch()
