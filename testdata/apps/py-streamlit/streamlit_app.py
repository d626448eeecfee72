import streamlit as st

st.title("hello from streamlit")
st.line_chart([1, 3, 2])
